"""Which columns of csv and tsv files are numbers.

That is decided over all files together, so that a label is not a number in one split and a word in another. A column
becomes numbers only where every value in it is written as one ("007" and dates stay as they are written), and "NA" or
"null" in a text is just text.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

# A number as programs write it: no leading zero, no plus, no more digits than 64 bits hold.
NUMBER = r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$"

Kind = Literal["empty", "whole", "fraction", "text"]
# Each is also what those before it are.
ORDER: tuple[Kind, ...] = ("empty", "whole", "fraction", "text")


class NumberColumns:
    """What the columns of text tables hold, as far as they have been seen."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {}

    def see(self, table: "pa.Table") -> None:
        for name in table.column_names:
            before = self._kinds.get(name, "empty")
            if before != "text":
                self._kinds[name] = max(before, _kind(table[name]), key=ORDER.index)

    def types(self) -> "dict[str, pa.DataType]":
        """The columns that hold numbers in every table, and of which type (int64 or float64)."""
        import pyarrow as pa

        types = {"whole": pa.int64(), "fraction": pa.float64()}
        return {name: types[kind] for name, kind in self._kinds.items() if kind in types}


def _kind(column: "pa.ChunkedArray") -> Kind:
    import pyarrow.compute as pc

    filled = column.filter(pc.not_equal(column, ""))
    if not len(filled):
        return "empty"
    if not pc.all(pc.match_substring_regex(filled, NUMBER)).as_py():
        return "text"
    return "fraction" if pc.any(pc.match_substring_regex(filled, "[.eE]")).as_py() else "whole"


def with_numbers(table: "pa.Table", types: "Mapping[str, pa.DataType]") -> "pa.Table":
    """``table`` with the columns named in ``types`` as numbers; an empty field is None there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for position, name in enumerate(table.column_names):
        if name in types:
            column = table[name]
            filled = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            table = table.set_column(position, name, pc.cast(filled, types[name]))
    return table
