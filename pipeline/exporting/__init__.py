"""What leaves the program: finished runs in the forms that others load, and proof of each."""
