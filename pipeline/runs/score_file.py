"""Scores in a file, for programs to read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import BadInput, Problem
from pipeline.runs.directory import write_whole


def check_score_file(path: str | None) -> None:
    """Raises BadInput for a name that is not one of JSON, or a folder that does not exist."""
    if path is None:
        return
    target = Path(path)
    if target.suffix != ".json" or target.is_dir():
        raise BadInput(Problem("output", f"{path!r} is no file of JSON", "output=scores.json"))
    if not target.parent.is_dir():
        raise BadInput(Problem("output", f"there is no folder {target.parent}", "an existing folder"))


def write_scores(path: str, metrics: Mapping[str, float], tables: Mapping[str, Sequence[Any]]) -> None:
    """``metrics`` by full name, as `test/f1`, and ``tables`` as lists of rows, the first being the header."""
    content = {"metrics": dict(metrics), "tables": dict(tables)}
    write_whole(Path(path), json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n")
