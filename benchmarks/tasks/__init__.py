"""Every task side by side with what a user would write with transformers' Trainer instead."""
