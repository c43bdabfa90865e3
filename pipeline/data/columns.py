"""Rows of a source with the columns that a task reads, by the roles that they play."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pipeline.data.origins import visible
from pipeline.data.rendering import columns_beside, render_columns, used_up
from pipeline.errors import BadInput, Problem, listing, nearest

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from pipeline.data.bad_rows import BadRow
    from pipeline.sources.base import Source
    from pipeline.tasks.base import Task


def task_rows(task: Task, source: Source, training: bool) -> DatasetDict:
    """Raw rows with the task's column names, in the splits that the source gives."""
    rows = source.load_for(columns_read(task, source))
    data = rename_columns(render_columns(rows, task, source), task, source)
    problems = [
        Problem(f"data ({name} split)", "has no rows", "at least one row")
        for name, rows in data.items()
        if len(rows) == 0
    ]
    if problems:
        raise BadInput(problems)
    if training and "train" not in data:
        raise BadInput(Problem("data", "there is no training split", f"have: {listing(data)}"))
    return data


def columns_read(task: Task, source: Source) -> dict[str, Literal["any", "whole"] | None]:
    """The columns of the data, by their names there, that a task reads as they are, and which numbers it reads in each
    (see :class:`pipeline.tasks.base.Column`); beside them those that a template only puts into texts do not count."""
    named, template = columns_beside(task, source), source.template
    written = {*template.texts, *used_up(task, source)} if template else set()
    read: dict[str, Literal["any", "whole"] | None] = {}
    for role, column in task.columns.items():
        name = named.get(role, role)
        if role in written or (role not in named and name in named.values() and not column.required):
            continue
        # Of several roles of one column one may want what is written there.
        read[name] = column.numbers if read.get(name, column.numbers) else None
    if template and template.labels:
        read.setdefault(source.columns.get("label", "label"), "whole")
    return read


def skipped_rows(task: Task, source: Source) -> Iterator[BadRow]:
    """The rows that a source, or those of a mixture, leave out by themselves."""
    for part in source.parts().values() or [source]:
        yield from part.skipped(columns_read(task, part))


def missing_columns(
    have: Sequence[str], task: Task, columns: Mapping[str, str], *, optional: Sequence[str] = (), where: str
) -> list[Problem]:
    """What is wrong with the columns of some rows: those that the task reads and the rows do not have."""
    problems = [
        Problem(
            f"data.columns.{role}",
            f"the {where} has no column '{columns.get(role, role)}' ({column.description})",
            f"its columns are: {listing(have)}; say which with data.columns.{role}=NAME",
            nearest(columns.get(role, role), have),
        )
        for role, column in task.columns.items()
        if columns.get(role, role) not in have
        and role not in optional
        and (role in columns or column.required)
    ]
    asked = {columns.get(role, role): role for role in task.alternatives}
    if asked and not problems and not asked.keys() & set(have):
        name, role = next(iter(asked.items()))
        what = f"the {where} has none of the columns {listing(asked)} ({task.columns[role].description})"
        allowed = f"its columns are: {listing(have)}; say which with data.columns.{role}=NAME"
        problems.append(Problem(f"data.columns.{role}", what, allowed, nearest(name, have)))
    return problems


def rename_columns(data: DatasetDict, task: Task, source: Source) -> DatasetDict:
    """Give every column the name of the role it plays, and further roles of it the same cells. Raises BadInput for
    columns that are not there."""
    columns = columns_beside(task, source)
    problems = [
        Problem(
            f"data.columns.{role}",
            f"the task has no column '{role}'",
            f"columns of the task: {listing(task.columns)}",
            nearest(role, task.columns),
        )
        for role in columns
        if role not in task.columns
    ]
    for name, rows in data.items():
        problems += missing_columns(visible(rows.column_names), task, columns, where=f"{name} split")
    if problems:
        raise BadInput(problems)
    own = {role: role for role, column in task.columns.items() if column.required}
    for name, rows in data.items():
        data[name] = _by_role(rows, {**own, **columns})
    return data


def _by_role(rows: Dataset, columns: Mapping[str, str]) -> Dataset:
    """Rows with their columns named as the roles in ``columns``, role -> column."""
    from datasets import concatenate_datasets

    first: dict[str, str] = {}
    for role, column in columns.items():
        first.setdefault(column, role)
    # A column that has a role's name and does not play that role steps aside.
    aside = {role: f"{role} (unused)" for role in columns if role in rows.column_names and role not in first}
    renamed = {column: role for column, role in first.items() if column in rows.column_names}
    named = rows.rename_columns({**aside, **renamed})
    again = [
        named.select_columns([first[column]]).rename_columns({first[column]: role})
        for role, column in columns.items()
        if role != first[column] and column in rows.column_names
    ]
    return concatenate_datasets([named, *again], axis=1) if again else named


def texts_of(task: Task, rows: Dataset) -> Iterator[str]:
    """All texts in the columns of a task: what a tokenizer is trained on."""
    for row in rows.select_columns([name for name in rows.column_names if name in task.columns]):
        yield from texts_within(row)


def texts_within(cell: Any) -> Iterator[str]:
    """The texts in a cell, whatever it is made of."""
    if isinstance(cell, str):
        yield cell
    elif isinstance(cell, list | dict):
        for part in cell.values() if isinstance(cell, dict) else cell:
            yield from texts_within(part)
