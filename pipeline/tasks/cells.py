"""Lists and objects in formats that have none, such as csv: written as JSON in a cell.

What only looks like JSON stays the text that it is: ``[1] Smith et al.``, ``[ word ]``, ``{``.
"""

import json
from typing import Any


def listed(cell: Any) -> Any:
    """The list that a text is as JSON; any other cell as it is."""
    return _read(cell, "[", list)


def mapped(cell: Any) -> Any:
    """The object that a text is as JSON; any other cell as it is."""
    return _read(cell, "{", dict)


def listed_texts(cell: Any) -> Any:
    """The list of texts that a text is as JSON; any other cell as it is, lists of numbers and so on among them."""
    found = listed(cell)
    if not isinstance(cell, str) or all(isinstance(part, str) for part in found):
        return found
    return cell


def _read(cell: Any, start: str, kind: type) -> Any:
    if not isinstance(cell, str) or not cell.lstrip().startswith(start):
        return cell
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return cell
    return found if isinstance(found, kind) else cell
