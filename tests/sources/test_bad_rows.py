"""Rows that cannot be read, in every format: told with file, line and column, or left out and listed."""

import json
from typing import Literal

import pandas
import pytest

from pipeline.data.origins import ORIGIN, without_origins
from pipeline.errors import BadInput
from pipeline.sources.files import Files
from pipeline.sources.reading.locating import locate
from pipeline.sources.reading.tables import Reading, chunks


@pytest.fixture(autouse=True)
def fresh(cache):
    """Files are read anew in every test."""


# The columns that a classification reads: labels may be whole numbers.
READ: dict[str, Literal["any", "whole"] | None] = {"text": None, "label": "whole"}
GOOD = ["one", "two", "three", "four", "five"]


def csv(*rows: bytes) -> bytes:
    return b"text,label\n" + b"".join(b"%s,1\n" % text.encode() for text in GOOD) + b"".join(rows)


def jsonl(*rows: bytes) -> bytes:
    lines = [b'{"text": "%s", "label": 1}\n' % text.encode() for text in GOOD]
    return b"".join(lines) + b"".join(rows)


ARRAY = b"""[{"text": "a", "label": 1},

 "b", {"text": "c",
 "label": "x"}, {"text": "d", "label": 2},
 {"text": "e"}]"""
BEFORE = "'label' is \"x\" here and 1 before"
NARROW = "1 fields where the lines before have 2"

# File, content, and of each bad row: line, column, a part of what is said, and what is listed of it.
CASES = [
    (
        "a.csv",
        csv(b'"x\ny",1,2\n', b"z\n"),
        [(7, None, "3 fields", '"x\ny",1,2'), (9, None, "1 fields", "z")],
    ),
    ("a.csv", csv(b'"open,1\n', b"six,1\n"), [(7, None, "is not csv", '"open,1')]),
    ("a.csv", csv(b'"a"b,1\n', b"six,1\n"), [(7, None, "is not csv", '"a"b,1')]),
    ("a.csv", csv(b"sch\xf6n,1\n", b"six,1\n"), [(7, "text", "byte 0xf6 after 'sch'", "sch\udcf6n,1")]),
    ("a.tsv", csv(b"x,1,2\n").replace(b",", b"\t"), [(7, None, "3 fields", "x\t1\t2")]),
    (
        "a.jsonl",
        jsonl(b'{"a": \n', b"[1]\n"),
        [(6, None, "not JSON", '{"a": '), (7, None, "no object", "[1]")],
    ),
    ("a.jsonl", jsonl(b'{"text": "sch\xf6n"}\n'), [(6, None, "byte 0xf6", '{"text": "sch\udcf6n"}')]),
    ("a.jsonl", jsonl(b'{"label": "x"}\n'), [(6, "label", BEFORE, '{"label": "x"}')]),
    ("a.jsonl", jsonl(b'{"text": "\\ud800"}\n'), [(6, "text", "half of a character", '{"text": "\\ud800"}')]),
    (
        "a.jsonl",
        jsonl(b'{"label": 1%s}\n' % (b"0" * 20)),
        [(6, "label", "64 bits", '{"label": 1%s}' % ("0" * 20))],
    ),
    ("a.json", ARRAY, [(3, None, "no object", '"b"'), (3, "label", BEFORE, '{"text": "c",\n "label": "x"}')]),
    ("a.txt", "\n".join(GOOD).encode() + b"\nsch\xf6n\n", [(6, None, "byte 0xf6", "sch\udcf6n")]),
    ("a.conll", b"a O\nb O\n\n" * 3 + b"c O\nd\ne\n\n", [(11, None, NARROW, "c O\nd\ne")]),
    ("a.conllu", b"1\ta" + b"\t_" * 8 + b"\n\n2\tb\n", [(3, None, "2 fields", "2\tb")]),
]


@pytest.mark.parametrize(("name", "content", "bad"), CASES)
def test_stop_tells_file_line_and_column_of_each(here, name, content, bad):
    (here / name).write_bytes(content)
    with pytest.raises(BadInput) as stopped:
        Files(train=name).load_for(READ)
    wanted = {f"{name}:{line}" + (f":{column}" if column else ""): said for line, column, said, _ in bad}
    found = {problem.where: problem.what for problem in stopped.value.problems}
    if name == "a.conll":  # each line of a sentence is told, which is skipped as one
        assert found.pop("a.conll:12") and wanted
    if name == "a.json":  # types of a column are looked at when every row can be read
        del wanted["a.json:3:label"]
    assert found.keys() == wanted.keys()
    assert all(said in found[where] for where, said in wanted.items())


@pytest.mark.parametrize(("name", "content", "bad"), CASES)
def test_skip_leaves_out_these_rows_and_lists_them(here, name, content, bad):
    (here / name).write_bytes(content)
    source = Files(train=name, on_bad_rows="skip")
    rows = source.load_for(READ)["train"]
    listed = list(source.skipped(READ))
    assert [(row.file, row.line, row.column, row.raw) for row in listed] == [
        (name, line, column, raw) for line, column, _, raw in bad
    ]
    assert all(said in row.what for row, (_, _, said, _) in zip(listed, bad, strict=True))
    kept = {"a.conll": 3, "a.conllu": 1, "a.json": 3}.get(name, 5 + content.count(b"six"))
    assert len(rows) == kept
    assert not {row.line for row in listed} & {
        int(place.rpartition(":")[2]) for place in rows[ORIGIN][:]
    } or (
        name == "a.json"  # two rows on one line
    )


def test_what_follows_an_open_quote_is_read_again(here):
    (here / "a.csv").write_text('text,n\na,1\n"open,2\nb,3\n"c\nd",4\ne,5\n')
    source = Files(train="a.csv", on_bad_rows="skip")
    read = {"text": None, "n": "whole"}
    assert without_origins(source.load_for(read))["train"].to_list() == [
        {"text": "a", "n": 1},
        {"text": "b", "n": 3},
        {"text": "c\nd", "n": 4},
        {"text": "e", "n": 5},
    ]
    assert [row.line for row in source.skipped(read)] == [3]


def test_every_row_knows_where_it_began(here):
    (here / "a.csv").write_text('text,n\n"one\ntwo",1\n\nb,2\n')
    (here / "b.jsonl").write_text('\n{"text": "c"}\n')
    (here / "c.txt").write_text("d\ne\n")
    (here / "d.txt").write_text("f\ng\n\n\nh\n")
    pandas.DataFrame({"text": ["i", "j"]}).to_parquet("e.parquet")
    (here / "f.json").write_text('[\n{"text": "k"},\n{"text":\n"l"}]')
    (here / "g.json").write_text('{"version": 1, "data": [\n{"text": "m"}]}')
    names = ["a.csv", "b.jsonl", "c.txt", "e.parquet", "f.json", "g.json"]
    rows = Files(train=names, test="d.txt", txt_rows="lines").load()["train"]
    assert dict(zip(rows["text"][:], rows[ORIGIN][:], strict=True)) == {
        "one\ntwo": "a.csv:2",
        "b": "a.csv:5",
        "c": "b.jsonl:2",
        **{"d": "c.txt:1", "e": "c.txt:2"},
        **{"i": "e.parquet:1", "j": "e.parquet:2"},
        **{"k": "f.json:2", "l": "f.json:3"},
        "m": "g.json row 1",
    }
    paragraphs = Files(train="d.txt", txt_rows="paragraphs").load()["train"]
    assert paragraphs[ORIGIN][:] == ["d.txt:1", "d.txt:5"]


def test_many_bad_rows_are_counted(here):
    (here / "a.csv").write_text("text,n\n" + "a,1\n" * 50 + "b\n" * 20)
    with pytest.raises(BadInput) as stopped:
        Files(train="a.csv").load()
    assert len(stopped.value.problems) == 6
    last = stopped.value.problems[-1]
    assert last.what == "… and 15 more bad rows in this file" and "on_bad_rows=skip" in last.allowed


def test_skipping_stops_where_most_rows_are_bad(here):
    (here / "half.csv").write_text("text,n\na,1\nb\n")
    assert len(Files(train="half.csv", on_bad_rows="skip").load()["train"]) == 1
    (here / "most.csv").write_text("text,n\na,1\nb\nc\n")
    with pytest.raises(BadInput, match="2 of 3 rows cannot be read: more than half"):
        Files(train="most.csv", on_bad_rows="skip").load()


@pytest.mark.parametrize("skip", ["stop", "skip"])
def test_what_is_wrong_with_a_file_as_a_whole_stops_always(here, skip):
    (here / "a.csv").write_text("text,text\na,1\n")
    (here / "b.json").write_text('[{"text": "a"},\n{"text": }]')
    with pytest.raises(BadInput) as stopped:
        Files(train=["a.csv", "b.json"], on_bad_rows=skip).load()
    assert [problem.where for problem in stopped.value.problems] == ["a.csv:1", "b.json:2"]


def test_chunks_raise_before_the_rows_after_a_bad_one(here, monkeypatch):
    monkeypatch.setattr("pipeline.sources.reading.batching.ROWS", 2)
    (here / "a.csv").write_text("text,n\na,1\nb,2\nc\nd,4\ne,5\n")
    (file,) = locate("a.csv", "data.train")
    tables = chunks(file, Reading())
    assert next(tables).to_pylist()[0] == {"text": "a", "n": "1", ORIGIN: "a.csv:2"}
    with pytest.raises(BadInput, match=r"a\.csv:4"):
        next(tables)


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_elements_of_an_array_in_pieces_of_any_size(here, monkeypatch, piece):
    monkeypatch.setattr("pipeline.sources.reading.json_array.PIECE", piece)
    rows = [{"text": "a [1, {", "n": 12.5}, {"text": 'ü "', "n": -3.0}, {"text": "", "n": 1e10}]
    (here / "a.json").write_text(json.dumps(rows, indent=2, ensure_ascii=False))
    assert without_origins(Files(train="a.json").load())["train"].to_list() == rows
    (here / "b.json").write_text(json.dumps(rows) + " x")
    with pytest.raises(BadInput, match="Extra data"):
        Files(train="b.json").load()


def test_the_same_content_under_another_name_is_named_by_it(here):
    for name in ("a.csv", "b.csv"):
        (here / name).write_text("text,n\nx,1\n")
        assert Files(train=name).load()["train"][ORIGIN][:] == [f"{name}:2"]


def test_limits_of_python_are_bad_rows_too(here):
    (here / "a.jsonl").write_text('{"n": 1}\n{"n": 2}\n{"n": ' + "9" * 5_000 + "}\n" + "[" * 100_000 + "\n")
    with pytest.raises(BadInput) as stopped:
        Files(train="a.jsonl").load()
    assert [problem.where for problem in stopped.value.problems] == ["a.jsonl:3", "a.jsonl:4"]
