"""Rows with a description, code and tests: what is read, what is right, and the program that tries an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import Problem
from pipeline.tasks.cells import listed
from pipeline.tasks.places import row_problem
from pipeline.tasks.writing.rows import check_rows, one_fault, references, rows_of, source_text

if TYPE_CHECKING:
    from datasets import Dataset

    from pipeline.tasks.code_generation import CodeGeneration

Row = Mapping[str, Any]
FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:\n```|\Z)", re.DOTALL)


def description(row: Row, tests: int) -> str:
    """What the model reads: the prompt, and the first ``tests`` tests. Raises ValueError where there is no text."""
    text = source_text(row.get("prompt")).replace("\r\n", "\n")
    return "\n".join([text, *asserts_of(row)[:tests]])


def right_code(cell: Any) -> list[str]:
    """The code in a cell, with ``\\n`` between lines. Raises ValueError where there is none."""
    return [tidy(text) for text in references(cell)]


def tidy(text: str) -> str:
    """Without empty lines around it, and white space at its end; what stands before the first word stays."""
    return text.replace("\r\n", "\n").strip("\n").rstrip()


def code_of(text: str) -> str:
    """The code in what a model wrote: all of it, or the first block between ``` lines."""
    fenced = FENCE.search(text)
    return tidy(fenced[1] if fenced else text)


def asserts_of(row: Row) -> list[str]:
    """The tests of a row: a list, the same as JSON, or Python text. Raises ValueError for anything else."""
    cell = listed(row.get("tests"))
    if cell is None:
        return []
    if isinstance(cell, str):
        cell = [cell]
    if not isinstance(cell, list | tuple) or not all(isinstance(test, str) for test in cell):
        raise ValueError(f"has no list of tests but {cell!r:.40}")
    return [test.replace("\r\n", "\n") for test in cell if test.strip()]


def program(code: str, row: Row) -> str:
    """Code, then what must run before the tests, then these: it ends by itself if all is right."""
    setup = row.get("setup") or ""
    return "\n\n".join([code, str(setup).replace("\r\n", "\n"), *asserts_of(row)])


def faults(task: CodeGeneration, data: Mapping[str, Dataset]) -> list[Problem]:
    """What is wrong with the rows of a data set, each kind once with its places."""
    read = {"prompt": task.source_of, "code": task.references_of, "tests": asserts_of}
    problems = check_rows(data, read, list(task.columns))
    if problems or not task.run_tests:
        return problems
    without: dict[str, list[int]] = {}
    for split, rows in data.items():
        if split == "train":
            continue
        cells = rows["tests"][:] if "tests" in rows.column_names else [None] * len(rows)
        missing = [number for number, cell in enumerate(cells, start=1) if not asserts_of({"tests": cell})]
        if missing:
            without[split] = missing
    if without:
        where, allowed = "data.columns.tests", "tests in every row, or task.run_tests=false"
        what = "there are no tests to run"
        problems.append(row_problem(where, what, without, data, allowed, quoted="prompt", between=" in "))
    return problems


def check_batch(task: CodeGeneration, rows: Mapping[str, list[Any]]) -> None:
    """Raises BadInput for a row whose cells cannot be read."""
    read = {"prompt": task.source_of, "tests": asserts_of}
    read |= {"code": task.references_of} if "code" in rows else {}
    for row in rows_of(rows):
        for role, text_of in read.items():
            try:
                text_of(row)
            except ValueError as fault:
                raise one_fault(role, fault) from fault
