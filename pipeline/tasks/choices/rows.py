"""Choices and the right one of them as they stand in data, in the ways that data sets write them."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.data.cells import numbered
from pipeline.errors import BadInput, Problem, listing
from pipeline.tasks.faults import FaultError, Faults

if TYPE_CHECKING:
    from datasets import DatasetDict

    from pipeline.tasks.base import Head

# How the right choice is given: its number counted from 0 or from 1, its letter, its text, or its name where the
# choices have names of their own.
LabelKind = Literal["number", "number_from_1", "letter", "text", "name"]
KINDS: dict[LabelKind, str] = {
    "number": "numbers of choices, counted from 0",
    "number_from_1": "numbers of choices, counted from 1",
    "letter": "letters of choices: A, B, …",
    "text": "the texts of choices",
    "name": "the names that the choices have",
}
# A data set is not guessed to count from 1: one that counts from 0 may happen to lack that number.
GUESSED: tuple[LabelKind, ...] = ("number", "letter", "text", "name")
LIST = "a list of two texts or more, such as [yes, no], also written as JSON"


@dataclass(frozen=True)
class Choices:
    """The texts to choose from, and their names where they have any."""

    texts: list[str]
    names: list[str] | None = None


def read_list(cell: Any) -> Choices:
    """A list of texts, JSON of one, or ``{"text": [...], "label": [names]}``. Raises FaultError."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            raise FaultError(f"{_short(cell)} is no list", LIST, "no JSON") from None
    names = None
    if isinstance(cell, Mapping) and isinstance(cell.get("text"), list):
        cell, names = cell["text"], cell.get("label")
        if names is not None and (len(names) != len(cell) or len(set(map(str, names))) < len(names)):
            raise FaultError(f"{len(cell)} choices with the names {names}", "a name for each", "names")
    if not isinstance(cell, list):
        raise FaultError(f"{_short(cell)} is no list", LIST, "no list")
    if wrong := [text for text in cell if not isinstance(text, str)]:
        raise FaultError(f"{_short(wrong[0])} is no text to choose", LIST, "no text")
    return _checked(Choices(cell, None if names is None else list(map(str, names))))


def read_columns(cells: Sequence[Any]) -> Choices:
    """Of a row's choice columns; those behind the last choice may be empty. Raises FaultError."""
    filled = [cell for cell in cells if cell not in (None, "")]
    if filled != list(cells[: len(filled)]):
        raise FaultError("an empty choice before another one", "empty choices only behind the others")
    if wrong := [cell for cell in filled if not isinstance(cell, str)]:
        raise FaultError(f"{_short(wrong[0])} is no text to choose", "texts", "no text")
    return _checked(Choices(filled))


def _checked(choices: Choices) -> Choices:
    if any(not text.strip() for text in choices.texts):
        raise FaultError("an empty choice", LIST)
    if len(choices.texts) < 2:
        many = "one choice only" if choices.texts else "no choices"
        raise FaultError(many, LIST)
    return choices


def readings(cell: Any, choices: Choices) -> dict[LabelKind, int]:
    """The choice that a label means by each way to give it."""
    written = str(cell)
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # What a csv column of integers becomes when a cell of it is empty.
    if cell is None or isinstance(cell, bool | float | list | dict):
        return {}
    count, text = len(choices.texts), str(cell)
    found: dict[LabelKind, int] = {}
    if text.isascii() and text.isdigit():
        found = {"number": int(text), "number_from_1": int(text) - 1}
    elif len(text) == 1 and text.isascii() and text.isalpha():
        found = {"letter": ord(text.upper()) - ord("A")}
    found = {kind: number for kind, number in found.items() if 0 <= number < count}
    for said in (text, written):
        if choices.texts.count(said) == 1:
            found["text"] = choices.texts.index(said)
    if choices.names and text in choices.names:
        found["name"] = choices.names.index(text)
    return found


def right_choice(cell: Any, choices: Choices, kind: LabelKind) -> int:
    """Number, from 0, of the choice that a label means. Raises FaultError."""
    found = readings(cell, choices)
    if kind in found:
        return found[kind]
    wanted = f"{KINDS[kind]} (task.label_is)"
    if cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell)):
        raise FaultError("no label", wanted)
    if kind == "text" and choices.texts.count(str(cell)) > 1:
        raise FaultError(
            f"the label {_short(cell)} is the text of several choices", "choices that differ", "twice"
        )
    each = choices.names if kind == "name" else choices.texts if kind == "text" else None
    among = listing(each, most=5) if each else f"{len(choices.texts)} choices"
    raise FaultError(f"the label {_short(cell)} is none of {among}", wanted, "no choice")


def label_as_in_data(number: int, choices: Choices, kind: LabelKind) -> int | str:
    """What a label that means this choice looks like."""
    if kind in ("number", "number_from_1"):
        return number + (kind == "number_from_1")
    if kind == "letter":
        return chr(ord("A") + number)
    return choices.names[number] if kind == "name" and choices.names else choices.texts[number]


def choices_of(
    rows: Mapping[str, Sequence[Any]], columns: Sequence[str] | None
) -> Iterator[Choices | FaultError]:
    """The choices of each row, or why it has none that can be read."""
    count = len(rows[columns[0] if columns else "choices"])
    for i in range(count):
        try:
            if columns:
                yield read_columns([rows[name][i] for name in columns if name in rows])
            else:
                yield read_list(rows["choices"][i])
        except FaultError as fault:
            yield fault


def learn_choices(data: "DatasetDict", columns: Sequence[str] | None, label_is: LabelKind | None) -> "Head":
    """``label_is``, and of the training data ``fewest``, ``most`` and ``chance``: the number of choices in a row, and
    the accuracy of guessing.

    Raises BadInput with everything that is wrong, rows named by split, number and the start of their context.
    """
    faults, role = Faults(), columns[0] if columns else "choices"
    labelled: dict[str, list[tuple[int, Any, Choices]]] = {}
    for split, rows in data.items():
        cells = {name: rows[name][:] for name in columns or ["choices"]}
        labels, labelled[split] = rows["label"][:], []
        for row, (choices, label) in enumerate(zip(choices_of(cells, columns), labels, strict=True), start=1):
            if isinstance(choices, FaultError):
                faults.add(role, choices, split, row)
            else:
                labelled[split].append((row, label, choices))
        for name in ("context", "question"):
            for row, cell in numbered(rows, name) if name in rows.column_names else ():
                if fault := text_fault(name, cell):
                    faults.add(name, fault, split, row)
    if not any(found for found in labelled.values()):
        raise BadInput(faults.problems(data, "context"))
    kind = label_is or _guessed(labelled)
    for split, found in labelled.items():
        for row, label, choices in found:
            try:
                right_choice(label, choices, kind)
            except FaultError as fault:
                faults.add("label", fault, split, row)
    if faults:
        raise BadInput(_with_hint(faults.problems(data, "context"), labelled, kind))
    counts = [len(choices.texts) for _, _, choices in labelled["train"]]
    chance = sum(1 / count for count in counts) / len(counts)
    return {"label_is": kind, "fewest": min(counts), "most": max(counts), "chance": chance}


def text_fault(name: str, cell: Any) -> FaultError | None:
    """What is wrong with a cell that should hold a text; only a question may be empty."""
    if isinstance(cell, str) or (cell is None and name == "question"):
        return None
    what = "no text" if cell is None else f"{_short(cell)} is no text"
    return FaultError(what, "a text in every row", "no text")


def _guessed(labelled: Mapping[str, list[tuple[int, Any, Choices]]]) -> LabelKind:
    """The way in which every label is given, or else most of them are. Raises BadInput where two ways fit all of
    them and mean different choices."""
    means = [
        (split, row, label, readings(label, choices))
        for split, found in labelled.items()
        for row, label, choices in found
    ]
    fits = {kind: sum(kind in found for *_, found in means) for kind in GUESSED}
    whole = [kind for kind in GUESSED if fits[kind] == len(means)]
    for other in whole[1:]:
        for split, row, label, found in means:
            if found[other] != found[whole[0]]:
                what = (
                    f"{_short(label)} in row {row} of {split} is choice {found[whole[0]]} (from 0) if labels are "
                    f"{KINDS[whole[0]]}, and choice {found[other]} if they are {KINDS[other]}"
                )
                allowed = f"task.label_is={whole[0]} or task.label_is={other}"
                raise BadInput(Problem("data.columns.label", what, allowed))
    return whole[0] if whole else max(GUESSED, key=lambda kind: fits[kind])


def _with_hint(
    problems: list[Problem], labelled: Mapping[str, list[tuple[int, Any, Choices]]], kind: LabelKind
) -> list[Problem]:
    """``problems``; where counting from 1 makes sense of every label, that is said."""
    everything = [(label, choices) for found in labelled.values() for _, label, choices in found]
    if kind == "number" and all("number_from_1" in readings(*each) for each in everything):
        hint = "numbers of choices, counted from 0; or counted from 1, with task.label_is=number_from_1"
        return [Problem(p.where, p.what, hint) if p.where.endswith(".label") else p for p in problems]
    return problems


def _short(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else f"{text[:60]}…"
