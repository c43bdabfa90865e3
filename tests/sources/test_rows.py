"""Standard input: texts, objects, and csv where it is said."""

import io
import sys

import pytest

from pipeline.errors import BadInput
from pipeline.sources.files import Files
from pipeline.sources.rows import parse_delimited, parse_lines, read_rows

COLUMNS = {"review body", "label"}


def test_a_header_is_no_text() -> None:
    for header, kind in (("id,review body\n", "csv"), ('"review body",x\n', "csv"), ("a\tlabel\n", "tsv")):
        with pytest.raises(BadInput, match=f"the header of a {kind}.*\n.*data.format={kind}"):
            list(parse_lines([header, "1,good\n"], COLUMNS))
    for text in ("A film, label it as you like.\n", "label\n"):
        assert list(parse_lines([text], COLUMNS)) == [{"text": text.strip()}]


def test_csv_is_read_where_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('text,id\n"a, ""b""\nc",01\n'))
    rows = read_rows("-", Files(train=["x.csv"], format="csv", columns={}))
    assert list(rows) == [{"text": 'a, "b"\nc', "id": "01"}]
    assert list(parse_delimited(["\ufefftext\tid\n", 'a "b\t1\n'], "\t", None)) == [
        {"text": 'a "b', "id": "1"}
    ]


def test_a_row_of_another_length_is_told_with_its_line() -> None:
    for line in ("a\n", "a,b,c\n"):
        with pytest.raises(BadInput, match="standard input:2: has not the 2 cells"):
            list(parse_delimited(["text,id\n", line], ",", '"'))
