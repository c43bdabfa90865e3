"""Side by side with what a user would pick instead, and the recorded results of the shipped experiments."""
