"""Names of metrics from names of splits."""


def prefix_of(split: str) -> str:
    """``validation`` -> ``val``, ``validation_news`` -> ``val/news``, ``test`` -> ``test``."""
    kind, _, name = split.partition("_")
    return "/".join(filter(None, ["val" if kind == "validation" else kind, name]))
