"""Columns made by a template, from the columns of the data, before the task looks for its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing, nearest

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

    from pipeline.sources.base import Source
    from pipeline.sources.template import Template
    from pipeline.tasks.base import Task

# Rows that are rendered together.
_BATCH = 1_000
WHERE = "data.template"


def columns_beside(task: Task, source: Source) -> dict[str, str]:
    """role -> column of the roles that are read from the data itself, not written by the source's template."""
    template = source.template
    if template is None:
        return dict(source.columns)
    named = _all_names(template)
    return {
        role: column
        for role, column in source.columns.items()
        if role not in template.texts and (role in task.columns or role not in named)
    }


def used_up(task: Task, source: Source) -> list[str]:
    """Roles that a row can do without, and whose columns only stand in the data because a template reads them."""
    template = source.template
    if template is None:
        return []
    used = {source.columns.get(name, name) for name in _all_names(template)}
    return [
        role
        for role, column in task.columns.items()
        if role in used and not column.required and role not in template.texts and role not in source.columns
    ]


def render_columns(data: DatasetDict, task: Task, source: Source) -> DatasetDict:
    """``data`` with a column for every role that the source's template writes, and its labels named.

    Batch by batch, to a file. Raises BadInput for names that are no columns, labels without a word, and rows that
    cannot be rendered.
    """
    if source.template is None:
        return data
    template, columns = source.template, source.columns
    problems = _unknown_roles(task, template)
    for split, rows in data.items():
        problems += missing_names(template, template.texts, rows.column_names, columns, f"{split} split")
        label = columns.get("label", "label")
        if template.labels and label not in rows.column_names:
            problems.append(_missing(f"{WHERE}.labels", label, "label", rows.column_names, f"{split} split"))
    if problems:
        raise BadInput(problems)
    aside = used_up(task, source)
    for split, rows in data.items():
        made = _mapped(rows, template, columns, split)
        data[split] = made.rename_columns(
            {role: f"{role} (unused)" for role in aside if role in made.column_names}
        )
    return data


def missing_names(
    template: Template, roles: Collection[str], have: Sequence[str], columns: Mapping[str, str], where: str
) -> list[Problem]:
    """The names in the texts of some roles that are no columns. columns: what ``data.columns`` says."""
    return [
        _missing(f"{WHERE}.texts.{role}", columns.get(name, name), name, have, where)
        for role in roles
        for name in sorted(template.names(role))
        if columns.get(name, name) not in have
    ]


def _missing(key: str, column: str, name: str, have: Sequence[str], where: str) -> Problem:
    what = f"the {where} has no column '{column}'"
    allowed = f"its columns are: {listing(have)}; say which with data.columns.{name}=NAME"
    return Problem(key, what, allowed, nearest(column, have))


def _all_names(template: Template) -> set[str]:
    return {name for role in template.texts for name in template.names(role)}


def _unknown_roles(task: Task, template: Template) -> list[Problem]:
    return [
        Problem(
            f"{WHERE}.texts.{role}",
            f"the task has no column '{role}'",
            f"columns of the task: {listing(task.columns)}",
            nearest(role, task.columns),
        )
        for role in template.texts
        if role not in task.columns
    ]


def _mapped(rows: Dataset, template: Template, columns: Mapping[str, str], split: str) -> Dataset:
    from datasets import disable_progress_bars, enable_progress_bars

    label = columns.get("label", "label")
    classes = getattr(rows.features.get(label), "names", None)

    def write(batch: Mapping[str, list[Any]], numbers: Sequence[int]) -> dict[str, list[Any]]:
        cells = {**batch, **{name: batch[column] for name, column in columns.items() if column in batch}}
        if template.labels:
            words = _words(template, batch[label], classes, numbers, split)
            cells |= {label: words, "label": words}
        written = {role: _written(template, role, cells, numbers, split) for role in template.texts}
        return {**({label: cells[label]} if template.labels else {}), **written}

    disable_progress_bars()
    try:
        return rows.map(
            write,
            batched=True,
            with_indices=True,
            batch_size=_BATCH,
            features=_features(rows, template, label),
            keep_in_memory=False,
            load_from_cache_file=False,
        )
    finally:
        enable_progress_bars()


def _features(rows: Dataset, template: Template, label: str) -> Features:
    """Said and not guessed: the first rows may all be empty."""
    from datasets import Features, List, Value

    made: dict[str, Any] = {role: Value("string") for role in template.texts}
    if template.labels:
        several = hasattr(rows.features[label], "feature") and not isinstance(rows.features[label], dict)
        made = {label: List(Value("string")) if several else Value("string"), **made}
    return Features({**rows.features, **made})


def _written(
    template: Template, role: str, cells: Mapping[str, list[Any]], numbers: Sequence[int], split: str
) -> list[str | None]:
    names = template.names(role)

    def text(place: int) -> str | None:
        return template.render(role, {name: cells[name][place] for name in names})

    return _each(text, numbers, f"{WHERE}.texts.{role}", split)


def _words(
    template: Template, labels: list[Any], classes: list[str] | None, numbers: Sequence[int], split: str
) -> list[Any]:
    def word(place: int) -> Any:
        try:
            return template.word(labels[place], classes)
        except KeyError as unknown:
            known, value = listing(template.labels), str(unknown.args[0])
            what = f"has no word for the label {value!r}, as in row {numbers[place] + 1} of {split}"
            where = f"{WHERE}.labels"
            raise BadInput(
                Problem(where, what, f"words for: {known}", nearest(value, template.labels))
            ) from unknown

    return [word(place) for place in range(len(labels))]


def _each(
    text: Callable[[int], str | None], numbers: Sequence[int], where: str, split: str
) -> list[str | None]:
    made = []
    for place, number in enumerate(numbers):
        try:
            made.append(text(place))
        except ValueError as error:
            what = f"makes nothing of row {number + 1} of {split}: {error}"
            raise BadInput(Problem(where, what, "expressions that have a value in every row")) from error
    return made
