"""Whether two programs were given the same rows."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any


def hashes_of_rows(splits: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, str]:
    """sha256 over texts and labels of each split, in their order."""
    return {name: _hash(rows) for name, rows in splits.items()}


def _hash(rows: Iterable[Mapping[str, Any]]) -> str:
    total = hashlib.sha256()
    for row in rows:
        total.update(json.dumps([row["text"], str(row["label"])]).encode())
    return total.hexdigest()
