"""What a launcher needs besides this program."""

import importlib.util
from collections.abc import Iterator

from pipeline.errors import Problem


def missing(package: str, launcher: str, extra: str) -> Iterator[Problem]:
    """The complaint about a package that is not installed."""
    if importlib.util.find_spec(package) is None:
        what = f"{launcher} needs the package {package}, which is not installed"
        yield Problem("hydra/launcher", what, f"pip install 'hydratune[{extra}]'; or hydra/launcher=local")
