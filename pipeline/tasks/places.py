"""Problems of rows, which a run may do without."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.data.places import START, Places, have_origins, places_text
from pipeline.errors import Problem

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["START", "Places", "places_text", "row_problem"]

# A split may be shuffled, so its numbers are not the file's.
NUMBERED = "rows are numbered within their split, not within the file"


def row_problem(
    where: str,
    what: str,
    places: Places,
    data: "Mapping[str, Dataset]",
    allowed: str = "",
    *,
    nearest: str = "",
    quoted: str = "text",
    between: str = ": ",
) -> Problem:
    """A problem that knows its rows.

    where: the configuration key. what: is wrong with each of the rows; ``between`` stands between that and their
    places. quoted: the column by whose text a person finds them.
    """
    if not have_origins(places, data):
        allowed = f"{allowed}; {NUMBERED}" if allowed else NUMBERED
    text = f"{what}{between}{places_text(places, data, quoted)}"
    return Problem(where, text, allowed, nearest, rows=places, fault=what)
