"""Rows to predict: from a file of any format that training reads, or from standard input."""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.errors import BadInput, Problem


def read_rows(path: str) -> Iterator[dict[str, Any]]:
    """Rows of a csv, tsv, jsonl, json, parquet, arrow or txt file; of standard input for ``-``.

    Raises BadInput as the source `files` does.
    """
    if path == "-":
        yield from parse_lines(sys.stdin)
        return
    from pipeline.sources.files import Files

    try:
        data = Files(test=path).load()["test"]
    except BadInput as error:
        # The file was given as `input`, whatever the reader calls it.
        renamed = [
            Problem("input" if p.where == "data.test" else p.where, p.what, p.allowed, p.nearest)
            for p in error.problems
        ]
        raise BadInput(renamed) from error
    yield from data


def parse_lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One row a line as it comes: JSON objects if the first one is, else texts. Empty lines are passed over."""
    as_json: bool | None = None
    for number, line in enumerate(lines, 1):
        line = line.strip().lstrip("\ufeff")
        if not line:
            continue
        if as_json is None:
            as_json = line.startswith("{")
        if not as_json:
            yield {"text": line}
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadInput(Problem(f"standard input:{number}", f"not JSON: {error}", "one object a line")) from error
        if not isinstance(row, dict):
            raise BadInput(Problem(f"standard input:{number}", f"{line[:50]!r} is not an object", "{...} a line"))
        yield row
