"""How the jobs of a sweep are run: each is a frozen run's directory, and how it ended is read from there."""
