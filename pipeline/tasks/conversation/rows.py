"""Conversations as data sets have them, read to the messages that chat templates take.

    prompt_response   {"prompt": "2 + 2?", "response": "4"}
    alpaca            {"instruction": "Add.", "input": "2 and 2", "output": "4"}
    sharegpt          {"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]}
    messages          {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}

The first two may have a ``system`` text beside them. Lists may be JSON text, as in the cells of a csv.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.tasks.places import row_problem
from pipeline.tasks.writing.words import mostly_ascii

if TYPE_CHECKING:
    from datasets import DatasetDict

# {"role": "system", "user" or "assistant", "content": text}
Message = dict[str, str]
Row = Mapping[str, Any]

# Kinds of fault that are told at once.
_MOST_FAULTS = 8
# Answers that are looked at to see what script they are in.
_SAMPLE = 1_000

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
# What data sets call the three.
ROLES = {
    "system": SYSTEM,
    "user": USER,
    "human": USER,
    "assistant": ASSISTANT,
    "gpt": ASSISTANT,
    "model": ASSISTANT,
}


class Fault(ValueError):
    """What is wrong with one row. ``column``: where; empty: in the one that is asked with."""

    def __init__(self, what: str, allowed: str = "", nearest: str = "", column: str = "") -> None:
        super().__init__(what)
        self.what, self.allowed, self.nearest, self.column = what, allowed, nearest, column


@dataclass(frozen=True)
class Form:
    """A way to write a conversation in columns.

    asked: the column without which nothing is asked. answered: the one with the answer; None: it is the last turn.
    """

    asked: str
    answered: str | None
    read: Callable[[Row], list[Message]]


def _prompt_response(row: Row) -> list[Message]:
    return [*_system(row), _message(USER, row["prompt"]), *_answer(row, "response")]


def _alpaca(row: Row) -> list[Message]:
    more = row.get("input") or ""
    if not isinstance(more, str):
        raise Fault(f"no text, but {_short(more)}", "a text, which may be empty", column="input")
    asked = row["instruction"]
    joined = f"{asked}\n\n{more}" if isinstance(asked, str) and more.strip() else asked
    return [*_system(row), _message(USER, joined), *_answer(row, "output")]


def _sharegpt(row: Row) -> list[Message]:
    return _turns(row, "conversations", "from", "value")


def _messages(row: Row) -> list[Message]:
    return _turns(row, "messages", "role", "content")


FORMS = {
    "messages": Form("messages", None, _messages),
    "sharegpt": Form("conversations", None, _sharegpt),
    "alpaca": Form("instruction", "output", _alpaca),
    "prompt_response": Form("prompt", "response", _prompt_response),
}


def form_of(
    columns: Collection[str], said: str | None, usual: str | None = None, *, answered: bool = True
) -> str:
    """The name of the form that the columns are in.

    said: by the user, who must be right. usual: what the trained model has learned from, preferred where it is
    there. answered: whether the answers must be there. Raises BadInput where the columns make no form, or several
    and nobody says which.
    """

    def needs(form: Form) -> list[str]:
        return [name for name in (form.asked, form.answered if answered else None) if name is not None]

    found = [name for name, form in FORMS.items() if set(needs(form)) <= set(columns)]
    chosen = said if said is not None else usual
    if chosen in found:
        return str(chosen)
    if said is not None:
        missing = [name for name in needs(FORMS[said]) if name not in columns]
        what = f"{said} needs the columns {listing(missing)}, and there are: {listing(columns)}"
        allowed = f"{_say(missing)}, or task.form={found[0] if found else 'null'}"
        raise BadInput(Problem("task.form", what, allowed))
    if len(found) == 1:
        return found[0]
    if found:
        what = f"the columns are those of {listing(found)}"
        raise BadInput(Problem("task.form", what, f"one of them: task.form={found[0]}"))
    allowed = "; or ".join(" and ".join(needs(form)) for form in FORMS.values())
    what = f"there are no conversations in the columns {listing(columns) or '(none that have a role)'}"
    raise BadInput(Problem("data.columns", what, f"{allowed}; {_say([needs(FORMS['prompt_response'])[0]])}"))


def _say(roles: Sequence[str]) -> str:
    return "say which with " + " ".join(f"data.columns.{role}=NAME" for role in roles)


def conversation(row: Row, form: str, system: str | None = None, *, answered: bool = True) -> list[Message]:
    """A row's messages, checked: at most one system text, first; then user and assistant in turn.

    system: what stands first where the row has no system text. answered: whether an answer is needed; otherwise the
    messages end with the user's. Turns after the last answer are left out: nothing is learned of them.
    Line ends become ``\\n``. Raises Fault.
    """
    messages = FORMS[form].read(row)
    if not messages:
        raise Fault("has no turns", "at least a user's and an assistant's")
    if messages[0]["role"] != SYSTEM and system is not None:
        messages = [{"role": SYSTEM, "content": system}, *messages]
    _check_order(messages)
    end = USER if not answered else ASSISTANT
    while messages and messages[-1]["role"] != end:
        messages = messages[:-1]
    if not messages:
        raise Fault(f"has no turn of the {end}", "a user's turn, then an assistant's")
    return messages


def _check_order(messages: Sequence[Message]) -> None:
    turns = messages[1:] if messages[0]["role"] == SYSTEM else messages
    first = len(messages) - len(turns) + 1
    for number, message in enumerate(turns):
        expected = (USER, ASSISTANT)[number % 2]
        if message["role"] != expected:
            what = f"turn {first + number} is the {message['role']}'s, where the {expected}'s is due"
            raise Fault(what, "a system text if any, then user and assistant in turn")


def _turns(row: Row, column: str, role_key: str, text_key: str) -> list[Message]:
    cell = row[column]
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except json.JSONDecodeError as error:
            raise Fault(
                f"{column} is not JSON: {error}", f'[{{"{role_key}": …, "{text_key}": …}}, …]'
            ) from error
    if not isinstance(cell, Sequence) or isinstance(cell, str):
        raise Fault(f"{column} holds no list of turns, but {_short(cell)}", f'[{{"{role_key}": …}}, …]')
    return [_turn(turn, number, role_key, text_key) for number, turn in enumerate(cell, start=1)]


def _turn(turn: Any, number: int, role_key: str, text_key: str) -> Message:
    if not isinstance(turn, Mapping) or role_key not in turn or text_key not in turn:
        raise Fault(f"turn {number} is {_short(turn)}", f"an object with {role_key!r} and {text_key!r}")
    role = turn[role_key]
    if not isinstance(role, str) or role not in ROLES:
        known = nearest(str(role), ROLES)
        raise Fault(f"turn {number} is of {role!r}", f"one of: {listing(ROLES)}", known)
    if turn.get("tool_calls"):
        raise Fault(f"turn {number} calls tools, which are not learned", "turns of text")
    return _message(ROLES[role], turn[text_key], f"turn {number} ({role})")


def _message(role: str, text: Any, where: str = "", column: str = "") -> Message:
    where = where or f"the {'answer' if role == ASSISTANT else 'prompt' if role == USER else 'system text'}"
    if isinstance(text, Sequence) and not isinstance(text, str):
        # OpenAI's other way to write a content: parts, of which only those of text are one.
        parts = [part.get("text") if isinstance(part, Mapping) else None for part in text]
        if None in parts:
            raise Fault(f"{where} has parts that are no text", "text", column=column)
        text = "".join(str(part) for part in parts)
    if text is None or (isinstance(text, str) and not text.strip()):
        raise Fault(f"{where} is empty", "a text", column=column)
    if not isinstance(text, str):
        raise Fault(f"{where} is no text, but {_short(text)}", "a text", column=column)
    return {"role": role, "content": text.replace("\r\n", "\n")}


def _system(row: Row) -> list[Message]:
    text = row.get("system")
    return [] if text is None or text == "" else [_message(SYSTEM, text, column="system")]


def _answer(row: Row, column: str) -> list[Message]:
    return [_message(ASSISTANT, row[column], column=column)] if column in row else []


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 50 else f"{text[:50]}…"


def check_all(data: DatasetDict, form: str, system: str | None) -> dict[str, Any]:
    """Facts of the training split: the number of ``conversations``, the ``fewest`` and ``most`` answers in one, and
    whether most letters of the answers are a to z (``latin``).

    Raises BadInput with every kind of fault in the data, and the rows that have it.
    """
    faults: dict[tuple[str, str], tuple[Fault, dict[str, list[int]]]] = {}
    counts: Counter[int] = Counter()
    sample: list[str] = []
    for split, rows in data.items():
        for number, row in enumerate(rows, start=1):
            try:
                messages = conversation(row, form, system)
            except Fault as fault:
                _, places = faults.setdefault((fault.column, fault.what), (fault, defaultdict(list)))
                places[str(split)].append(number)
                continue
            if split == "train":
                counts[sum(message["role"] == ASSISTANT for message in messages)] += 1
                sample += [messages[-1]["content"]] if len(sample) < _SAMPLE else []
    if faults:
        raise BadInput(_problems(faults, data, FORMS[form].asked))
    latin = mostly_ascii(sample)
    return {"conversations": counts.total(), "fewest": min(counts), "most": max(counts), "latin": latin}


def _problems(
    faults: Mapping[tuple[str, str], tuple[Fault, dict[str, list[int]]]], data: DatasetDict, column: str
) -> list[Problem]:
    problems = [
        row_problem(
            f"data.columns.{fault.column or column}",
            fault.what,
            places,
            data,
            fault.allowed,
            nearest=fault.nearest,
            quoted=column,
        )
        for fault, places in list(faults.values())[:_MOST_FAULTS]
    ]
    if len(faults) > _MOST_FAULTS:
        problems.append(Problem("data", f"… and {len(faults) - _MOST_FAULTS} more kinds of fault"))
    return problems
