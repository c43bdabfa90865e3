"""Pages that are written when the work is done."""

import sys
from collections.abc import Callable


def at_end(write: Callable[[], object]) -> None:
    """Write a page. That it cannot be written is told, and is no reason to call a finished run failed."""
    try:
        write()
    except Exception as error:  # noqa: BLE001
        again = "python -m pipeline.report run=DIR (or sweep=DIR) tells more"
        print(f"warning: no report.html: {type(error).__name__}: {error}; {again}", file=sys.stderr)
