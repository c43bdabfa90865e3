"""Rows that a trained model is asked about, as its task reads them: by columns and template, as in training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.data.columns import missing_columns
from pipeline.data.rendering import columns_beside, missing_names, used_up
from pipeline.errors import BadInput, Problem, listing
from pipeline.runs.identity import digest

if TYPE_CHECKING:
    from pipeline.sources.base import Source
    from pipeline.tasks.base import Task

Row = Mapping[str, Any]
# Problems of rows that are shown.
_MOST = 5


def asked_columns(
    task: Task, source: Source, rows: Sequence[Row], columns: Mapping[str, str] | None, done: int
) -> dict[str, list[Any]]:
    """role -> values of what the task reads.

    source: what rows are like; of a mixture the source whose columns they have, or that ``predict_as`` names.
    columns: role -> column, None: as the source says, or named as their roles are. done: rows that came before.
    A role that a template writes is taken as it is where the rows have it and lack what the template names.
    Raises BadInput where a row lacks what the task reads.
    """
    have = list(dict.fromkeys(name for row in rows for name in row))
    if source.parts():
        source, columns = like_these(task, source, have), None
    # What a text names, it may be given by another column than in training.
    source = source if columns is None else dataclasses.replace(source, columns=dict(columns))
    written = _written(task, source, rows, have)
    there = [*have, *written]
    beside = columns_beside(task, source)
    beside = {role: name for role, name in beside.items() if role not in written}
    if columns is None:
        beside = _as_in_training(task, beside, there)
        beside = beside if written else _plain_texts(task, have) or beside
    if problems := missing_columns(there, task, beside, optional=task.targets, where="input"):
        raise BadInput(problems)
    aside = used_up(task, source) if written else []
    roles = [role for role in task.columns if role not in (*task.targets, *written, *aside)]
    names = {role: name for role in roles if (name := beside.get(role, role)) in have}
    found = {role: [row.get(name) for row in rows] for role, name in names.items()} | written
    _check_there(task, found, {**names, **{role: role for role in written}}, done)
    return {role: found[role] for role in task.columns if role in found}


def like_these(task: Task, mixture: Source, have: Sequence[str]) -> Source:
    """The source of a mixture that rows with these columns are like: the one that is named, or else the only one
    whose columns they have; the first where none is. Raises BadInput where several read them in different ways."""
    parts = mixture.parts()
    if named := getattr(mixture, "predict_as", None):
        return parts[named]
    fitting = {name: part for name, part in parts.items() if _fits(task, part, have)}
    ways = {digest([part.columns, part.template]): name for name, part in reversed(fitting.items())}
    if len(ways) > 1:
        what = f"the rows may be like those of {listing(sorted(ways.values()))}, which are read in different ways"
        raise BadInput(Problem("data.predict_as", what, f"data.predict_as={min(ways.values())}"))
    return parts[min(ways.values(), default=min(parts))]


def _fits(task: Task, source: Source, have: Sequence[str]) -> bool:
    template, columns = source.template, columns_beside(task, source)
    needed = (
        {source.columns.get(n, n) for r in _input_roles(task, source) for n in template.needed(r)}
        if template
        else set()
    )
    needed |= {name for role, name in columns.items() if role not in task.targets and role in task.columns}
    written = template.texts if template else {}
    needed |= {
        columns.get(role, role)
        for role, column in task.columns.items()
        if column.required and role not in task.targets and role not in written
    }
    return needed <= set(have)


def _input_roles(task: Task, source: Source) -> list[str]:
    """Roles that the template writes and that are no answers."""
    return [role for role in source.template.texts if role not in task.targets] if source.template else []


def _written(task: Task, source: Source, rows: Sequence[Row], have: Sequence[str]) -> dict[str, list[Any]]:
    """role -> rendered texts."""
    template = source.template
    if template is None:
        return {}
    roles, columns = _input_roles(task, source), dict(source.columns)
    needed = {name for role in roles for name in template.needed(role)}
    if list(have) == ["text"] and len(needed) == 1:
        # A plain text is what the one column holds that the template asks for.
        columns[next(iter(needed))] = "text"
    written: dict[str, list[Any]] = {}
    problems: list[Problem] = []
    for role in roles:
        lacking = [name for name in template.needed(role) if columns.get(name, name) not in have]
        if lacking and role not in have and not (list(have) == ["text"] and role == _main(task)):
            problems += missing_names(template, [role], have, columns, "input")
        if lacking:
            continue
        names = {name: columns.get(name, name) for name in template.names(role)}
        try:
            written[role] = [
                template.render(role, {name: row.get(column) for name, column in names.items()})
                for row in rows
            ]
        except ValueError as error:
            problems.append(Problem(f"data.template.texts.{role}", f"makes nothing of a row: {error}"))
    if problems:
        raise BadInput(problems)
    return written


def _as_in_training(task: Task, trained: Mapping[str, str], have: Sequence[str]) -> dict[str, str]:
    columns = {role: name for role, name in trained.items() if name in have or role not in have}
    if any(columns.get(role, role) in have for role in task.alternatives):
        columns = {role: n for role, n in columns.items() if n in have or role not in task.alternatives}
    return columns


def _main(task: Task) -> str:
    return next(role for role in task.columns if role not in task.targets)


def _plain_texts(task: Task, have: Sequence[str]) -> dict[str, str]:
    """What plain texts, which have no column but ``text``, are to a task that calls its texts something else."""
    return {_main(task): "text"} if list(have) == ["text"] and "text" not in task.columns else {}


def _check_there(task: Task, found: Mapping[str, list[Any]], names: Mapping[str, str], done: int) -> None:
    count = len(next(iter(found.values()), []))
    problems = [
        Problem(f"input row {done + place + 1}", f"has no text in {names[role]!r}", "a text")
        for place in range(count)
        for role, cells in found.items()
        if cells[place] is None and not task.columns[role].may_be_empty
    ]
    if problems:
        more = len(problems) - _MOST
        rest = [Problem("input", f"… and {more} more rows like these")] if more > 0 else []
        raise BadInput([*problems[:_MOST], *rest])
