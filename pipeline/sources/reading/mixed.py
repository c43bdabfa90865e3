"""Columns that hold values of several types, kept as text as long as nothing reads them.

A column has one type in a table. Where its values have none in common, texts stay as they are and everything else is
written as JSON: 1, "x2" and {"a": 1} are ``1``, ``x2`` and ``{"a": 1}``.
"""

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# In the metadata of a field: its values were of several types.
_MARK = {b"mixed": b"1"}


def text_of(value: Any) -> str | None:
    """What stands for a value in such a column."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def marked(table: "pa.Table", columns: Collection[str]) -> "pa.Table":
    """``table`` with these columns known as mixed."""
    import pyarrow as pa

    fields = [field.with_metadata(_MARK) if field.name in columns else field for field in table.schema]
    return table.cast(pa.schema(fields))


def marks(table: "pa.Table") -> set[str]:
    """The columns that :func:`marked` marked."""
    return {field.name for field in table.schema if field.metadata and _MARK.keys() <= field.metadata.keys()}


def disagreeing(schemas: "Sequence[pa.Schema]") -> set[str]:
    """The columns whose types have none in common that holds all their values."""
    import pyarrow as pa

    found = set()
    for name in dict.fromkeys(name for schema in schemas for name in schema.names):
        fields = [pa.schema([schema.field(name)]) for schema in schemas if name in schema.names]
        try:
            pa.unify_schemas(fields, promote_options="permissive")
        except pa.ArrowException:
            found.add(name)
    return found


def as_texts(table: "pa.Table", columns: Collection[str]) -> "pa.Table":
    """``table`` with these columns as text."""
    import pyarrow as pa

    for position, field in enumerate(table.schema):
        if field.name in columns and field.type != pa.string():
            texts = pa.array([text_of(value) for value in table[field.name].to_pylist()], pa.string())
            table = table.set_column(position, field.name, texts)
    return table
