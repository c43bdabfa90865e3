"""Rows that a trained model is asked about, as its task reads them: by columns and template, as in training."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.data.columns import missing_columns
from pipeline.data.rendering import columns_beside, missing_names, used_up
from pipeline.errors import BadInput, Problem, listing
from pipeline.runs.identity import digest

if TYPE_CHECKING:
    from pipeline.sources.base import Source
    from pipeline.tasks.base import Task

Row = Mapping[str, Any]


def asked_columns(
    task: Task, source: Source, rows: Sequence[Row], columns: Mapping[str, str] | None
) -> tuple[dict[str, list[Any]], dict[int, Problem]]:
    """role -> values of what the task reads, and what is wrong with rows by their place, from 0.

    source: what rows are like; of a mixture the source whose columns they have, or that ``predict_as`` names.
    columns: role -> column, which must be there. Other roles are read as the source says, or named as they are, and
    one that a row can do without is left out where its column is not there.
    A role that a template writes is taken as it is where the rows have it and lack what the template names.
    Raises BadInput where the rows lack a column that the task reads.
    """
    have = list(dict.fromkeys(name for row in rows for name in row))
    given = dict(columns or {})
    if source.parts():
        source, given = like_these(task, source, have), {}
    # What a text names, it may be given by another column than in training.
    source = dataclasses.replace(source, columns={**source.columns, **given}) if given else source
    written = _written(task, source, rows, have)
    there = [*have, *written]
    beside = columns_beside(task, source)
    beside = {role: name for role, name in beside.items() if role not in written}
    beside = _as_in_training(task, beside, there, given)
    if not given and not written:
        beside = _plain_texts(task, have) or beside
    if problems := missing_columns(there, task, beside, optional=task.targets, where="input"):
        raise BadInput(problems)
    aside = used_up(task, source) if written else []
    roles = [role for role in task.columns if role not in (*task.targets, *written, *aside)]
    names = {role: name for role in roles if (name := beside.get(role, role)) in have}
    found = {role: [row.get(name) for row in rows] for role, name in names.items()} | written
    faults = _without_text(task, found, {**names, **{role: role for role in written}})
    return {role: found[role] for role in task.columns if role in found}, faults


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


def _as_in_training(
    task: Task, trained: Mapping[str, str], have: Sequence[str], given: Collection[str]
) -> dict[str, str]:
    """role -> column without what is only inherited and not there, as far as the rows say something without it."""
    columns = {
        role: name for role, name in trained.items() if role in given or name in have or role not in have
    }
    asked = [role for role in task.columns if role not in task.targets]
    if not any(columns.get(role, role) in have for role in task.alternatives or asked):
        return columns  # Nothing is there: what training read is what should be.
    return {
        role: name
        for role, name in columns.items()
        if role in given or name in have or role not in task.columns or task.columns[role].required
    }


def _main(task: Task) -> str:
    return next(role for role in task.columns if role not in task.targets)


def _plain_texts(task: Task, have: Sequence[str]) -> dict[str, str]:
    """What plain texts, which have no column but ``text``, are to a task that calls its texts something else."""
    return {_main(task): "text"} if list(have) == ["text"] and "text" not in task.columns else {}


def _without_text(task: Task, found: Mapping[str, list[Any]], names: Mapping[str, str]) -> dict[int, Problem]:
    """What is wrong with rows, by their place from 0, that have nothing where the task reads something."""
    return {
        place: Problem("input", f"has no text in {names[role]!r}", "a text")
        for role, cells in reversed(list(found.items()))
        if not task.columns[role].may_be_empty
        for place, cell in enumerate(cells)
        if cell is None
    }
