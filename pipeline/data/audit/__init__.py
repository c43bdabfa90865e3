"""What is wrong with the data of a run, looked for before it trains. One file a kind of fault."""
