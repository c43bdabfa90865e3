"""The types of the columns of JSON rows.

In columns that are read, they may differ from row to row only as numbers and gaps do. Others become text where they
differ more.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.sources.reading.mixed import text_of

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
ONE_TYPE = "one type a column"


class ColumnTypes:
    """What has been seen of the columns of one file.

    one_type: columns that have to be of one. mixed: those of the others that are not.
    """

    def __init__(self, name: str, one_type: Collection[str] = ()) -> None:
        self.name, self.one_type = name, one_type
        self.mixed: set[str] = set()
        self._types: dict[str, pa.DataType] = {}
        # The value that first gave a column its type.
        self._first: dict[str, Any] = {}

    def faults(self, rows: Sequence[Row]) -> Iterator[tuple[int, str, str, str]]:
        """Rows with a value that is of another type than those before it: their place, the column, what is wrong and
        what is allowed. Each row is told once."""
        told: set[int] = set()
        for column in dict.fromkeys(column for row in rows for column in row):
            if column not in self.mixed and self._sees(column, rows):
                continue
            fault_of = self._fault if column in self.one_type else _half_of_a_character
            for place, row in enumerate(rows):
                if place not in told and (fault := fault_of(column, row.get(column))):
                    told.add(place)
                    yield place, column, *fault
            good = [row for place, row in enumerate(rows) if place not in told]
            if column not in self.one_type and not self._sees(column, good):
                self._mix(column)

    def arrays(self, rows: Sequence[Row]) -> "dict[str, pa.Array]":
        """The columns of rows without faults, and those seen before; a field that a row does not have is None."""
        import pyarrow as pa

        try:
            return {
                column: pa.array([text_of(row.get(column)) for row in rows], pa.string())
                if column in self.mixed
                else pa.array([row.get(column) for row in rows], kind)
                for column, kind in self._types.items()
            }
        except (ValueError, TypeError, OverflowError) as error:
            what = f"a column holds values of different types: {error}"
            raise BadInput(Problem(self.name, what, ONE_TYPE)) from error

    def _sees(self, column: str, rows: Sequence[Row]) -> bool:
        """Whether these values have a type that those before them have too, which is remembered."""
        import pyarrow as pa

        try:
            self._see(column, pa.array([row.get(column) for row in rows]).type, rows)
        except (ValueError, TypeError, OverflowError):
            return False
        return True

    def _mix(self, column: str) -> None:
        import pyarrow as pa

        self.mixed.add(column)
        self._types[column] = pa.string()

    def _see(self, column: str, kind: "pa.DataType", rows: Sequence[Row]) -> None:
        import pyarrow as pa

        before = self._types.get(column, pa.null())
        self._types[column] = _unified(before, kind)
        if column not in self._first and kind != pa.null():
            self._first[column] = next(row[column] for row in rows if row.get(column) is not None)

    def _fault(self, column: str, value: Any) -> tuple[str, str] | None:
        """What is wrong with a value and what is allowed; a good one is remembered."""
        import pyarrow as pa

        if value is None:
            return None
        shown = _shown(value)
        try:
            kind = pa.array([value]).type
        except UnicodeEncodeError:
            return _half_of_a_character(column, value)
        except OverflowError:
            return f"{column!r} is {shown}, which 64 bits do not hold", "a text, or a smaller number"
        except (ValueError, TypeError):
            return f"{column!r} holds values of different types: {shown}", ONE_TYPE
        try:
            self._see(column, kind, [{column: value}])
        except (ValueError, TypeError):
            return f"{column!r} is {shown} here and {_shown(self._first[column])} before", ONE_TYPE
        return None


def _unified(one: "pa.DataType", other: "pa.DataType") -> "pa.DataType":
    """Raises ValueError or TypeError where no type holds both."""
    import pyarrow as pa

    if one == other:
        return one
    schemas = [pa.schema([("x", one)]), pa.schema([("x", other)])]
    return pa.unify_schemas(schemas, promote_options="permissive").field("x").type


def _half_of_a_character(column: str, value: Any) -> tuple[str, str] | None:
    try:
        (text_of(value) or "").encode()
    except UnicodeEncodeError:
        return f"{column!r} holds half of a character: {_shown(value)}", "whole characters"
    return None


def _shown(value: Any) -> str:
    return json.dumps(value)[:40]
