"""The Linear modules that a user names: by their last parts, in full, by a regular expression, or all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem, listing, nearest

if TYPE_CHECKING:
    from torch import nn

ALL_LINEAR = "all-linear"
WHERE = "strategy.modules"
# What has other characters than names have is a regular expression, which a full name matches as a whole.
_NAME = re.compile(r"[\w.-]*")


def chosen(model: nn.Module, names: Sequence[str] | str, where: str = WHERE) -> dict[str, nn.Module]:
    """The Linear modules of the backbone that ``names`` stand for, by full name.

    Raises BadInput, with the names there are, where one of them stands for none.
    """
    from pipeline.strategies.parts import linear_modules

    there = linear_modules(model)  # type: ignore[arg-type]
    if not there:
        what = f"{type(model).__name__} has no Linear modules in its backbone"
        raise BadInput(Problem("strategy", what, "strategy=full or strategy=frozen_backbone"))
    if names == ALL_LINEAR:
        return there
    among = matching(model, there, [names] if isinstance(names, str) else names, where)
    matched = set().union(*among.values())
    return {full: module for full, module in there.items() if full in matched}


def matching(
    model: nn.Module, there: Mapping[str, nn.Module], names: Sequence[str], where: str
) -> dict[str, set[str]]:
    """For each name the full names, of those ``there``, that it stands for. Raises BadInput for one without."""
    last_parts = sorted({full.rpartition(".")[2] for full in there})
    allowed = f"{ALL_LINEAR}, {listing(last_parts)}, a full name, or a regular expression for full names"
    found: dict[str, set[str]] = {}
    problems = [] if names else [Problem(where, "is empty", allowed)]
    for name in names:
        try:
            found[name] = {full for full in there if _is(full, name)}
        except re.error as error:
            problems.append(Problem(where, f"{name!r} is no regular expression: {error}", allowed))
            continue
        if not found[name]:
            what = f"{name!r} is no Linear module of {type(model).__name__}"
            problems.append(Problem(where, what, allowed, nearest(name, [ALL_LINEAR, *last_parts, *there])))
    if problems:
        raise BadInput(problems)
    return found


def _is(full: str, name: str) -> bool:
    if _NAME.fullmatch(name):
        return f".{full}".endswith(f".{name}")
    return re.fullmatch(name, full) is not None
