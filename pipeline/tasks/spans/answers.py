"""Answers that are parts of a text: the forms in which data holds them, and where they are in the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.tasks.cells import listed, mapped
from pipeline.tasks.places import row_problem

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from pipeline.tasks.base import Head

ANSWERS = "data.columns.answers"
# Rows that are read at one time.
CHUNK = 1_000
FORMS = (
    'a text of the context; [{"text": …, "start": …}]; or {"text": […], "answer_start": […]}; '
    "empty where the context does not answer the question"
)


class AnswerError(ValueError):
    """A cell that is no answer, or not of its context. ``kind``: what cells with the same fault share."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Answer:
    """An answer as it stands in the context: ``context[start:end]``."""

    text: str
    start: int
    # How often a text that came without its place is in the context.
    occurs: int = 1

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def read_answers(cell: Any, context: str) -> list[Answer]:
    """The answers in a cell, which may be JSON; none where the question has no answer.

    A text of the context is an answer whatever it looks like; without a place it is taken where it first occurs.
    Raises AnswerError for an answer that is not in the context, or not where it is said to be.
    """
    if not (isinstance(cell, str) and cell in context):
        cell = mapped(listed(cell))
    return [_located(text, start, context) for text, start in _given(cell) if text.strip()]


def _given(cell: Any) -> list[tuple[str, int | None]]:
    """Texts with their places, as far as there are any."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return []
    if isinstance(cell, str):
        return [(cell, None)]
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return [(str(cell), None)]  # of JSON
    if isinstance(cell, Mapping):
        return _of_mapping(cell)
    if isinstance(cell, list | tuple):
        return [pair for part in cell for pair in _given(part)]
    raise AnswerError(f"{cell!r} is no answer", "form")


def _of_mapping(cell: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    texts, starts = cell.get("text"), cell.get("answer_start", cell.get("start"))
    if texts is None and "text" in cell:
        return []
    texts = [texts] if isinstance(texts, str) else texts
    starts = [starts] if isinstance(starts, int) else starts
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise AnswerError(f"{dict(cell)} has no text", "form")
    if not starts:
        return [(text, None) for text in texts]
    if len(starts) != len(texts):
        raise AnswerError(f"{len(texts)} texts and {len(starts)} starts", "form")
    return list(zip(texts, starts, strict=True))


def _located(text: str, start: int | None, context: str) -> Answer:
    if start is None:
        found = context.find(text)
        if found >= 0:
            return Answer(text, found, context.count(text))
        close = context.casefold().find(text.casefold())
        there = f", which has {context[close : close + len(text)]!r}" if close >= 0 else ""
        raise AnswerError(f"{text!r} is not in the context{there}", "not in it")
    if not isinstance(start, int) or context[max(start, 0) : max(start, 0) + len(text)] != text or start < 0:
        there = (
            repr(context[start : start + len(text)]) if isinstance(start, int) and start >= 0 else "nothing"
        )
        found = context.find(text)
        where = f"; it begins at {found}" if found >= 0 else "; it is nowhere in the context"
        raise AnswerError(f"{text!r} is not at {start}, where {there} is{where}", "not there")
    return Answer(text, start)


def learn_head(data: DatasetDict) -> Head:
    """Whether training has questions without an answer, and counts of each split.

    Raises BadInput with everything that is wrong, rows named by split, number and question.
    """
    faults: dict[tuple[str, str], tuple[str, str, dict[str, list[int]]]] = {}
    counts: dict[str, dict[str, int]] = {}
    for split, rows in data.items():
        if "answers" not in rows.column_names:
            raise BadInput(Problem(ANSWERS, f"{split} has no answers", FORMS))
        counts[split] = count = {"answered": 0, "unanswerable": 0, "ambiguous": 0}
        for number, row in enumerate(_rows(rows), start=1):
            try:
                answers = answers_of(row)
            except AnswerError as error:
                where = ANSWERS if error.kind in ("form", "not in it", "not there") else error.kind
                fault = faults.setdefault((where, error.kind), (where, str(error), {}))
                fault[2].setdefault(split, []).append(number)
                continue
            count["answered" if answers else "unanswerable"] += 1
            count["ambiguous"] += any(answer.occurs > 1 for answer in answers)
    if faults:
        raise BadInput(
            [
                row_problem(where, what, places, data, _right(where), quoted="question")
                for where, what, places in faults.values()
            ]
        )
    if not counts["train"]["answered"]:
        raise BadInput(Problem(ANSWERS, "no question of the training data has an answer", FORMS))
    return {"unanswerable": counts["train"]["unanswerable"] > 0, "counts": counts}


def _right(where: str) -> str:
    return FORMS if where == ANSWERS else "a text in every row"


def _rows(rows: Dataset) -> Any:
    for batch in rows.select_columns(["question", "context", "answers"]).iter(CHUNK):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))


def answers_of(row: Mapping[str, Any]) -> list[Answer]:
    """The answers of a row. Raises AnswerError, also for a question or context that is no text."""
    check_texts(row)
    return read_answers(row["answers"], row["context"])


def check_texts(row: Mapping[str, Any]) -> None:
    """Raises AnswerError for a question or a context that is no text."""
    for role in ("question", "context"):
        if not isinstance(row[role], str) or not row[role].strip():
            raise AnswerError(f"no {role}", f"data.columns.{role}")


def texts(answers: Sequence[Answer]) -> list[str]:
    return [answer.text for answer in answers]
