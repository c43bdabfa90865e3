"""What is looked at of a stream before training."""

import http.server
import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import fsspec
import pytest

from pipeline.errors import BadInput
from pipeline.sources.files import Files
from pipeline.sources.reading import sampling
from pipeline.sources.reading.locating import locate
from pipeline.sources.reading.stream import FileStream
from pipeline.sources.reading.tables import Reading


def stream(*paths: Path, scan: int | None = None) -> FileStream:
    return FileStream(tuple(locate([str(path) for path in paths], "data.train")), Reading(), scan)


def jsonl(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_of_every_file_are_counted_and_few_are_all_in_the_sample(tmp_path: Path):
    one = jsonl(tmp_path / "a.jsonl", [{"text": f"a{n}", "label": "x"} for n in range(7)])
    other = jsonl(tmp_path / "b.jsonl", [{"text": f"b{n}"} for n in range(5)])
    found = stream(one, other).look(["label"], ["text"], {})
    assert (found.counts, found.whole) == ([7, 5], True)
    texts = found.sample["text"].to_pylist()
    assert texts == [f"a{n}" for n in range(7)] + [f"b{n}" for n in range(5)]
    assert found.sample["label"].to_pylist() == ["x"] * 7 + [None] * 5


def test_a_look_at_some_rows_only(tmp_path: Path):
    paths = [jsonl(tmp_path / f"{i}.jsonl", [{"text": "a"}] * 5) for i in range(3)]
    for scan, counts, whole in [
        (3, [3, 0, 0], False),
        (5, [5, 0, 0], False),
        (15, [5, 5, 5], True),
        (99, [5] * 3, True),
    ]:
        found = stream(*paths, scan=scan).look([], ["text"], {})
        assert (found.counts, found.whole) == (counts, whole), scan


def test_the_sample_is_bounded_random_and_has_every_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "ROWS", 500)
    rows = [{"n": n, "label": "common"} for n in range(30_000)]
    rows[17_000]["label"] = "rare"
    found = stream(jsonl(tmp_path / "a.jsonl", rows)).look(["label"], [], {})
    numbers = found.sample["n"].to_pylist()
    assert 500 <= len(numbers) <= 503 and numbers == sorted(set(numbers))
    assert 17_000 in numbers
    assert 13_000 < sum(numbers) / len(numbers) < 17_000
    assert Counter(found.sample["label"].to_pylist())["rare"] == 1
    # Values that are no classes are not all kept.
    assert len(stream(tmp_path / "a.jsonl").look(["n"], [], {}).sample) == 500


def test_long_rows_make_a_smaller_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "BYTES", 100_000)
    path = jsonl(tmp_path / "a.jsonl", [{"text": "x" * 1_000} for _ in range(3_000)])
    assert 20 < len(stream(path).look([], [], {}).sample) <= 100


def test_numbers_of_csv_are_those_of_all_files(tmp_path: Path):
    one, other = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("text,label,other\na,1,1\n")
    other.write_text("text,label,other\nb,2.5,word\n")
    columns = {"label": "any", "other": "any", "text": None}
    found = stream(one, other).look([], [], columns)
    assert found.numbers == {"label": "double"}
    assert found.sample["label"].to_pylist() == [1.0, 2.5]
    (table,) = stream(one).tables(0, found.numbers)
    assert table["label"].to_pylist() == [1.0]
    with pytest.raises(BadInput, match=r"b\.csv:2: .*no number"):
        list(stream(other).tables(0, {"other": "int64"}))
    assert stream(one, other).look([], [], {"label": "whole"}).numbers == {}


def test_columns_of_several_types_that_nothing_reads(tmp_path: Path):
    one = jsonl(tmp_path / "a.jsonl", [{"text": "a", "id": 1}, {"text": "b", "id": "x"}])
    other = jsonl(tmp_path / "b.jsonl", [{"text": "c", "id": 3}])
    assert stream(one, other).look([], [], {"text": None}).sample["id"].to_pylist() == ["1", "x", "3"]
    with pytest.raises(BadInput, match=r"a\.jsonl:2.*'id' is \"x\" here and 1 before"):
        stream(one, other).look([], [], {"id": None})


def test_everything_that_cannot_be_read_is_told(tmp_path: Path):
    broken = tmp_path / "a.jsonl"
    broken.write_text('{"text": "a"}\n{"text": \n')
    empty = jsonl(tmp_path / "b.jsonl", [{"text": "a"}, {"text": None}, {"text": None}])
    with pytest.raises(BadInput) as refused:
        stream(broken, empty).look([], ["text"], {})
    assert [problem.where for problem in refused.value.problems] == [f"{broken}:2", f"{empty}:2"]


def test_csv_beside_other_files_is_refused(tmp_path: Path):
    one = tmp_path / "a.csv"
    one.write_text("text\na\n")
    with pytest.raises(BadInput, match="one format"):
        stream(one, jsonl(tmp_path / "b.jsonl", [{"text": "b"}])).look([], [], {})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A web server of files, with their size and time in its headers."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def test_urls_are_streamed_also_in_another_process(tmp_path: Path, server: str):
    jsonl(tmp_path / "a.jsonl", [{"text": f"a{n}"} for n in range(9)])
    source = Files(train=f"{server}/a.jsonl", streaming=True)
    found = source.stream()
    assert found is not None
    assert found.look([], ["text"], {}).counts == [9]
    with get_context("fork").Pool(1) as pool:
        (count,) = pool.map(rows_in, [found])
    assert count == 9


def rows_in(found: FileStream) -> int:
    return sum(len(table) for table in found.tables(0))


def test_a_remote_file_is_known_by_what_its_system_says(tmp_path: Path):
    system = fsspec.filesystem("memory")
    with system.open("/s/a.jsonl", "wb") as file:
        file.write(b'{"text": "a"}\n')
    source = Files(train="memory://s/a.jsonl", streaming=True)
    before = source.fingerprint()
    assert source.fingerprint() == before
    with system.open("/s/a.jsonl", "wb") as file:
        file.write(b'{"text": "b", "label": 1}\n')
    assert source.fingerprint() != before
    # What is on this machine is known by its content.
    jsonl(tmp_path / "a.jsonl", [{"text": "a"}])
    jsonl(tmp_path / "b.jsonl", [{"text": "a"}])
    one, other = (Files(train=str(tmp_path / f"{name}.jsonl"), streaming=True) for name in "ab")
    assert one.fingerprint() == other.fingerprint()
