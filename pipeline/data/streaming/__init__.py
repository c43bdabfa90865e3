"""Training data that is read, encoded and batched as it comes, and stored nowhere."""
