"""Several runs from one command: what varies, which trials there are, how each ends, and the record of it all."""
