"""CoNLL files to tables: a word and its tags a line, an empty line between sentences.

    EU NNP B-NP B-ORG
    rejects VBZ B-VP O

A row is one sentence: ``tokens`` (the first field), ``tags`` (the last one), and, where there are more, each field by
its number in the line: ``column_2``, ``column_3``, … (``data.columns.tags=column_2`` are other tags). Fields are
divided by tabs, or by spaces in lines without a tab. Lines ``-DOCSTART-`` are left out.

CoNLL-U (https://universaldependencies.org/format.html) has fields with names: ``tokens`` are the forms, ``tags`` the
universal parts of speech; comments, multiword ranges and empty nodes are left out.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import IO, TYPE_CHECKING

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    import pyarrow as pa

# Sentences that are Python objects at one time, and problems of one file that are shown.
CHUNK, MOST = 20_000, 5
DOCUMENT = "-DOCSTART-"
UNIVERSAL = ("id", "tokens", "lemmas", "tags", "xpos", "feats", "heads", "deprels", "deps", "misc")

# For each word its cells: those of one column stand at the same place in all of them.
Sentence = list[list[str]]


def read_conll(lines: IO[str], name: str, delimiter: str | None = None) -> "Iterator[pa.Table]":
    """``delimiter``: between fields; None: tabs, or spaces. ``name`` is the file's, for errors.

    A file of words alone has no column ``tags``. Raises BadInput naming the lines that have another number of fields
    than those before, or no word.
    """
    problems: list[Problem] = []
    sentences = _sentences(_words(lines, name, delimiter, problems))
    first = next(sentences, [])
    width = len(first[0]) if first else 0
    names = ["tokens", *(f"column_{number}" for number in range(2, width)), "tags"][:width]
    yield from _tables(chain([first] if first else [], sentences), names, problems)


def read_conllu(lines: IO[str], name: str) -> "Iterator[pa.Table]":
    """``name`` is the file's, for errors. Raises BadInput naming the lines that do not have ten fields."""
    problems: list[Problem] = []
    yield from _tables(_sentences(_universal_words(lines, name, problems)), UNIVERSAL, problems)


def _tables(
    sentences: Iterator[Sentence], names: Sequence[str], problems: list[Problem]
) -> "Iterator[pa.Table]":
    import pyarrow as pa

    tables = []
    while chunk := list(islice(sentences, CHUNK)):
        columns = {
            name: pa.array([[word[place] for word in words] for words in chunk], pa.list_(pa.string()))
            for place, name in enumerate(names)
        }
        tables.append(pa.table(columns))
    if problems:
        raise BadInput(problems)
    yield from tables


def _sentences(words: Iterator[list[str] | None]) -> Iterator[Sentence]:
    """Words up to the next None."""
    sentence: Sentence = []
    for word in words:
        if word is not None:
            sentence.append(word)
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _words(
    lines: IO[str], name: str, delimiter: str | None, problems: list[Problem]
) -> Iterator[list[str] | None]:
    """The fields of each line, None for an empty one."""
    width = 0
    for number, line in enumerate(lines, start=1):
        line = line.rstrip("\r\n")
        if not line.strip():
            yield None
            continue
        by = delimiter or ("\t" if "\t" in line else " ")
        fields = line.split(by) if by != " " else [field for field in line.split(" ") if field]
        if fields[0] == DOCUMENT:
            yield None
            continue
        width = width or len(fields)
        if len(fields) != width or not fields[0]:
            what = f"{len(fields)} fields where the lines before have {width}: {line[:60]!r}"
            if not fields[0]:
                what = f"no word before the tag: {line[:60]!r}"
            allowed = "a word and its tags, with tabs or spaces between them; an empty line between sentences"
            problems.append(Problem(f"{name}:{number}", what, allowed))
            if len(problems) == MOST:
                return
            continue
        yield fields


def _universal_words(lines: IO[str], name: str, problems: list[Problem]) -> Iterator[list[str] | None]:
    for number, line in enumerate(lines, start=1):
        line = line.rstrip("\r\n")
        if not line.strip():
            yield None
            continue
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != len(UNIVERSAL):
            what = f"{len(fields)} fields: {line[:60]!r}"
            problems.append(Problem(f"{name}:{number}", what, f"{len(UNIVERSAL)} with tabs between them"))
            if len(problems) == MOST:
                return
        elif fields[0].isdigit():
            yield fields
