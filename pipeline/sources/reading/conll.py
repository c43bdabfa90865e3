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
from itertools import chain
from typing import IO, TYPE_CHECKING, NamedTuple

from pipeline.data.bad_rows import BadRow, BadRows
from pipeline.data.origins import ORIGIN
from pipeline.sources.reading.batching import batches
from pipeline.sources.reading.decoding import add_undecoded, is_decoded

if TYPE_CHECKING:
    import pyarrow as pa

DOCUMENT = "-DOCSTART-"
UNIVERSAL = ("id", "tokens", "lemmas", "tags", "xpos", "feats", "heads", "deprels", "deps", "misc")
WORDS = "a word and its tags, with tabs or spaces between them; an empty line between sentences"


class Word(NamedTuple):
    """A word's cells, or what is wrong with its line."""

    line: int
    raw: str
    cells: list[str]
    fault: str = ""


class Sentence(NamedTuple):
    """For each word its cells: those of one column stand at the same place in all of them."""

    line: int
    words: list[list[str]]


def read_conll(
    lines: IO[str], name: str, delimiter: str | None, encoding: str, bad: BadRows
) -> "Iterator[pa.Table]":
    """``delimiter``: between fields; None: tabs, or spaces. ``name`` is the file's.

    A file of words alone has no column ``tags``. Bad are sentences with a line that has another number of fields than
    those before, or no word.
    """
    sentences = _sentences(_words(lines, delimiter), name, encoding, WORDS, bad)
    first = next(sentences, None)
    width = len(first.words[0]) if first else 0
    names = ["tokens", *(f"column_{number}" for number in range(2, width)), "tags"][:width]
    yield from _tables(chain([first] if first else [], sentences), names, name)


def read_conllu(lines: IO[str], name: str, encoding: str, bad: BadRows) -> "Iterator[pa.Table]":
    """``name`` is the file's. Bad are sentences with a line that does not have ten fields."""
    allowed = f"{len(UNIVERSAL)} with tabs between them"
    yield from _tables(_sentences(_universal_words(lines), name, encoding, allowed, bad), UNIVERSAL, name)


def _tables(sentences: Iterator[Sentence], names: Sequence[str], file: str) -> "Iterator[pa.Table]":
    import pyarrow as pa

    for chunk in batches(sentences, lambda sentence: 10 * len(sentence.words) * len(names)):
        columns = {
            name: pa.array(
                [[word[place] for word in sentence.words] for sentence in chunk], pa.list_(pa.string())
            )
            for place, name in enumerate(names)
        }
        columns[ORIGIN] = pa.array([f"{file}:{sentence.line}" for sentence in chunk], pa.string())
        yield pa.table(columns)


def _sentences(
    words: Iterator[Word | None], name: str, encoding: str, allowed: str, bad: BadRows
) -> Iterator[Sentence]:
    """Words up to the next None. A sentence with a faulty word is bad as a whole; each of its faults is told where
    they are problems, and the first where it is left out."""
    for sentence in _divided(words):
        faulty = [word for word in sentence if word.fault or not is_decoded(word.raw)]
        for word in faulty if bad.skip is None else faulty[:1]:
            if word.fault:
                raw = word.raw if bad.skip is None else "\n".join(each.raw for each in sentence)
                bad.add(BadRow(name, word.line, None, word.fault, raw), allowed)
            else:
                add_undecoded(bad, name, word.line, word.raw, encoding)
        if not faulty:
            yield Sentence(sentence[0].line, [word.cells for word in sentence])


def _divided(words: Iterator[Word | None]) -> Iterator[list[Word]]:
    sentence: list[Word] = []
    for word in words:
        if word is not None:
            sentence.append(word)
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _words(lines: IO[str], delimiter: str | None) -> Iterator[Word | None]:
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
        fault = ""
        if not fields[0]:
            fault = f"no word before the tag: {line[:60]!r}"
        elif len(fields) != width:
            fault = f"{len(fields)} fields where the lines before have {width}: {line[:60]!r}"
        yield Word(number, line, fields, fault)


def _universal_words(lines: IO[str]) -> Iterator[Word | None]:
    for number, line in enumerate(lines, start=1):
        line = line.rstrip("\r\n")
        if not line.strip():
            yield None
            continue
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != len(UNIVERSAL):
            yield Word(number, line, fields, f"{len(fields)} fields: {line[:60]!r}")
        elif fields[0].isdigit():
            yield Word(number, line, fields)
