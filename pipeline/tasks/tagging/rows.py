"""Rows with tagged words, or with marked text, in the forms in which data holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.tasks.cells import listed, listed_texts
from pipeline.tasks.tagging.schemes import SpanError, tags_of_spans
from pipeline.tasks.tagging.words import Words, joined, split

if TYPE_CHECKING:
    from pipeline.tasks.base import Head

WORDS, TAGS, TEXT, SPANS = (f"data.columns.{role}" for role in ("tokens", "tags", "text", "spans"))


class RowError(ValueError):
    """A row that cannot be used. ``where``: the column; ``kind``: what rows with the same fault share."""

    def __init__(self, where: str, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.where, self.kind = where, kind or message


def words_of(row: Mapping[str, Any], head: Head) -> Words:
    """The words of a row with ``tokens`` (a list, also as JSON, or a text with spaces between them) or ``text``.

    The one that training had comes first. Raises RowError.
    """
    first, second = ("text", "tokens") if head["input"] == "text" else ("tokens", "text")
    role = first if first in row else second
    return _words(row[role]) if role == "tokens" else _split(row[role], head["input"] == "text")


def _words(cell: Any) -> Words:
    # In a text of words with spaces between them a bracket may be a word: [ "no" ] has three.
    if not str(cell).startswith("[ "):
        cell = listed_texts(cell)
    if isinstance(cell, str):
        return joined(cell.split())
    if isinstance(cell, int | float) and not isinstance(cell, bool) and cell == cell:
        return joined([str(cell)])  # a csv column in which every row is one number
    if not isinstance(cell, list | tuple):
        raise RowError(WORDS, "no words", "no words")
    for word in cell:
        if not isinstance(word, str):
            raise RowError(WORDS, f"{word!r} is no word", "no word")
    return joined(cell)


def _split(cell: Any, fine: bool) -> Words:
    if not isinstance(cell, str):
        raise RowError(TEXT, "no text")
    return split(cell, fine=fine)


def tag_names(cell: Any, names: Sequence[str] | None) -> list[str]:
    """The tags in a cell: a list, also as JSON, or a text with spaces between them. ``names``: of tags that are
    numbers.

    Raises RowError.
    """
    cell = listed(cell)
    if isinstance(cell, str):
        return cell.split()
    if isinstance(cell, int) and not isinstance(cell, bool):
        cell = [cell]
    if not isinstance(cell, list | tuple):
        raise RowError(TAGS, "no tags")
    tags = []
    for tag in cell:
        if isinstance(tag, int) and not isinstance(tag, bool):
            if names is not None and not 0 <= tag < len(names):
                what = f"the tag {tag}, which is none of the {len(names)} that have names"
                raise RowError(TAGS, what, "tag number")
            tag = names[tag] if names is not None else str(tag)
        if not isinstance(tag, str) or not tag.strip():
            raise RowError(TAGS, f"{tag!r} is no tag", "no tag")
        tags.append(tag)
    return tags


def span_list(cell: Any) -> list[Mapping[str, Any]]:
    """The spans in a cell: a list of ``{start, end, label}``, or that as JSON. Raises RowError."""
    if cell is None or cell == "":
        return []
    cell = listed(cell)
    if not isinstance(cell, list | tuple):
        raise RowError(SPANS, f"{cell!r:.40} is no list of spans", "no list")
    return list(cell)


def tags_of(row: Mapping[str, Any], words: Words, head: Head, expand: bool) -> list[str]:
    """The true tags of a row's words, from its ``tags`` or its ``spans``. Raises RowError."""
    if "spans" in row and ("tags" not in row or (head["input"] == "text" and "text" in row)):
        try:
            return tags_of_spans(span_list(row["spans"]), words, head["scheme"], expand=expand)
        except SpanError as error:
            kind = next((k for k in ("inside of", "overlaps", "no range") if k in str(error)), "span")
            raise RowError(SPANS, str(error), kind) from error
    tags = tag_names(row["tags"], head["names"])
    if len(tags) != len(words):
        raise RowError(TAGS, f"{len(words)} words and {len(tags)} tags", "lengths")
    return tags
