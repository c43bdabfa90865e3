"""Speed of a training step on one GPU: this program and Hugging Face's Trainer, on the same tokens."""
