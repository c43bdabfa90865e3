"""Sizes for a reader."""


def size_text(count: int) -> str:
    """``1,234 bytes``, ``56.7 kB``, ``90.8 MB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:,} bytes"
