"""Rows of several sources in the splits of one: those of one source follow each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from pipeline.sources.base import Source

T = TypeVar("T")


@dataclass(frozen=True)
class Joined:
    """sizes: split -> source -> its rows there, in their order; nothing where there is one source only."""

    data: DatasetDict
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)


def joined(source: Source, read: Callable[[Source], DatasetDict], columns: Collection[str]) -> Joined:
    """What ``read`` gives of a source; of a mixture, what it gives of each, one after the other.

    ``validation`` and ``test`` are those of all, too. A further validation set of a source (``validation_de``) is
    ``validation_<source>_de``; with ``score_each`` there are ``validation_<source>`` and ``test_<source>`` besides.
    columns: those that the task reads. Of the others remain what all sources have alike.
    Raises BadInput with what is wrong in every source, and for columns of kinds that cannot go together.
    """
    if not source.parts():
        return Joined(read(source))
    from datasets import DatasetDict, concatenate_datasets

    found = _alike(of_each(source.parts(), read), columns)
    parts: dict[str, dict[str, Dataset]] = {}
    for name, data in found.items():
        for split, rows in data.items():
            kind, _, own = split.partition("_")
            parts.setdefault(f"{kind}_{name}_{own}" if own else kind, {})[name] = rows
            if source.scores_parts() and kind != "train" and not own:
                parts[f"{kind}_{name}"] = {name: rows}
    splits = sorted(parts, key=lambda split: (_ORDER.index(split.partition("_")[0]), split))
    return Joined(
        DatasetDict({split: concatenate_datasets(list(parts[split].values())) for split in splits}),
        {split: {name: len(rows) for name, rows in parts[split].items()} for split in splits},
    )


_ORDER = ("train", "validation", "test")


def of_each(parts: Mapping[str, Source], act: Callable[[Source], T]) -> dict[str, T]:
    """``act`` of every source. Raises one BadInput with what all of them say, under the keys of each."""
    made: dict[str, T] = {}
    problems: list[Problem] = []
    for name, part in parts.items():
        try:
            made[name] = act(part)
        except BadInput as error:
            problems += [_of_source(problem, name) for problem in error.problems]
    if problems:
        raise BadInput(problems)
    return made


def _of_source(problem: Problem, name: str) -> Problem:
    """``data.columns.text`` of a source is ``data.sources.<name>.columns.text``."""
    place = f"data.sources.{name}"

    def named(text: str) -> str:
        return re.sub(r"(?<![\w./])data\.(?=[a-z_]+(\.\w+)*=)", f"{place}.", text)

    where = re.sub(r"^data\b", place, problem.where)
    return Problem(where, named(problem.what), named(problem.allowed), problem.nearest)


def _alike(found: Mapping[str, DatasetDict], columns: Collection[str]) -> dict[str, DatasetDict]:
    """The same with equal types of the columns that have to go together, and without the others."""
    from datasets import DatasetDict

    features = [rows.features for data in found.values() for rows in data.values()]
    common = [
        name
        for name in features[0]
        if all(name in each and each[name] == features[0][name] for each in features)
    ]
    kept = {*columns, *common}
    plain = {
        name: DatasetDict({split: _plain(rows, kept, features) for split, rows in data.items()})
        for name, data in found.items()
    }
    types = _types(plain)
    return {
        name: DatasetDict({split: _cast(rows, types) for split, rows in data.items()})
        for name, data in plain.items()
    }


def _plain(rows: Dataset, kept: Collection[str], features: list[Any]) -> Dataset:
    """Numbers of classes mean something only beside their names, which are taken where sources differ in them."""
    from datasets import Value

    rows = rows.select_columns([name for name in rows.column_names if name in kept])
    for name, feature in list(rows.features.items()):
        classes = getattr(feature, "names", None)
        if not classes or all(each.get(name, feature) == feature for each in features):
            continue

        def named(batch: Mapping[str, list[Any]], name: str = name, classes: list[str] = classes) -> Any:
            return {name: [None if i is None or i < 0 else classes[i] for i in batch[name]]}

        rows = rows.map(
            named,
            batched=True,
            features=type(rows.features)({**rows.features, name: Value("string")}),
            load_from_cache_file=False,
        )
    return rows


def _types(found: Mapping[str, DatasetDict]) -> dict[str, Any]:
    """Column -> the type that all its cells fit in. Raises BadInput where there is none."""
    import pyarrow

    fields: dict[str, dict[str, list[Any]]] = {}
    for name, data in found.items():
        for rows in data.values():
            for column in rows.features.arrow_schema:
                fields.setdefault(column.name, {}).setdefault(name, []).append(column.remove_metadata())
    types: dict[str, Any] = {}
    problems = []
    for column, by_source in fields.items():
        schemas = [pyarrow.schema([each]) for of_source in by_source.values() for each in of_source]
        try:
            types[column] = pyarrow.unify_schemas(schemas, promote_options="permissive").field(0).type
        except pyarrow.ArrowException:
            kinds = ", ".join(f"{each[0].type} in {name}" for name, each in by_source.items())
            what = f"the column '{column}' is of kinds that cannot go together: {kinds}"
            allowed = f"one kind in all; which column is read: data.sources.NAME.columns.{column}=COLUMN"
            if column == "label":
                allowed += "; other labels: data.sources.NAME.template.labels"
            problems.append(Problem("data.sources", what, allowed))
    if problems:
        raise BadInput(problems)
    return types


def _cast(rows: Dataset, types: Mapping[str, Any]) -> Dataset:
    from datasets.features.features import generate_from_arrow_type

    for name in rows.column_names:
        if rows.features.arrow_schema.field(name).type != types[name]:
            rows = rows.cast_column(name, generate_from_arrow_type(types[name]))
    return rows
