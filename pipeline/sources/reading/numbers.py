"""Which columns of csv and tsv files can be numbers.

Their cells are texts, and stay what is written there unless the task wants a number (see Wanted). What can be one is
decided over all files together, so that a label is not a number in one split and a word in another: a column in which
every value is written as a number ("007" and dates are not, and "NA" or "null" is just text).
"""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

# A number as programs write it: no leading zero, no plus, no more digits than 64 bits hold.
NUMBER = r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$"

# What a whole number becomes where it is written beside gaps.
WHOLE = r"^[^.eE]*(\.0)?$"

# point: whole numbers, some of them with a ".0".
Kind = Literal["empty", "whole", "point", "fraction", "text"]
# Each is also what those before it are.
ORDER: tuple[Kind, ...] = ("empty", "whole", "point", "fraction", "text")
# Which numbers are read in a column: any, or those of columns that have whole ones only.
Wanted = Literal["any", "whole"]


class NumberColumns:
    """What the columns of text tables hold, as far as they have been seen."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {}

    def see(self, table: "pa.Table") -> None:
        for name in table.column_names:
            before = self._kinds.get(name, "empty")
            if before != "text":
                self._kinds[name] = max(before, _kind(table[name]), key=ORDER.index)

    def kinds(self) -> dict[str, Kind]:
        """The columns that hold numbers in every table, and of which kind."""
        return {name: kind for name, kind in self._kinds.items() if kind in _TYPES["any"]}


# The Arrow type of columns that are read as numbers.
_TYPES: dict[Wanted, dict[Kind, str]] = {
    "any": {"whole": "int64", "point": "double", "fraction": "double"},
    "whole": {"whole": "int64", "point": "double"},
}


def types_of(kinds: Mapping[str, Kind], columns: Mapping[str, Wanted | None]) -> dict[str, str]:
    """The types of those of ``columns`` that are to be numbers, and can be."""
    return {
        name: _TYPES[wanted][kinds[name]]
        for name, wanted in columns.items()
        if wanted and kinds.get(name) in _TYPES[wanted]
    }


def is_fractions(values: Iterable[Any]) -> bool:
    """Whether these are texts that say numbers, not all of them whole."""
    filled = [value for value in values if value not in (None, "")]
    if not all(isinstance(value, str) and re.match(NUMBER, value) for value in filled):
        return False
    return any(re.search("[.eE]", value) for value in filled)


def _kind(column: "pa.ChunkedArray") -> Kind:
    import pyarrow.compute as pc

    filled = column.filter(pc.not_equal(column, ""))
    if not len(filled):
        return "empty"
    if not pc.all(pc.match_substring_regex(filled, NUMBER)).as_py():
        return "text"
    if not pc.any(pc.match_substring_regex(filled, "[.eE]")).as_py():
        return "whole"
    return "point" if pc.all(pc.match_substring_regex(filled, WHOLE)).as_py() else "fraction"


def with_numbers(table: "pa.Table", types: Mapping[str, str]) -> "pa.Table":
    """``table`` with the text columns named in ``types`` as numbers; an empty field is None there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for position, name in enumerate(table.column_names):
        if name in types and table[name].type == pa.string():
            column = table[name]
            filled = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            table = table.set_column(position, name, pc.cast(filled, pa.type_for_alias(types[name])))
    return table
