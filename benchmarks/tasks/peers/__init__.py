"""The other side: one file a task, written by hand on plain transformers. None imports this repository's package."""
