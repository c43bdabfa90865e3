"""What is encoded does not depend on who encodes it, and little is held at one time."""

import random
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict, load_from_disk

from pipeline.data import encoding
from pipeline.data.encoding import spans_of, write_encoded
from pipeline.data.parallel import ordered
from pipeline.data.prepare import load_splits
from pipeline.errors import BadInput, Problem
from tests.specs import spec_of

WORDS = ["a", "good", "film", "with", "a", "long", "plot", "and", "a", "bad", "actor"]


@pytest.fixture
def job(tiny_bert: Path):
    def write(folder: Path, task: str, processes: int, rows: int = 60):
        spec = spec_of([f"task={task}", "model=auto", f"model.checkpoint={tiny_bert}"])
        draw = random.Random(0)
        texts = [" ".join(draw.choices(WORDS, k=draw.randrange(1, 40))) for _ in range(rows)]
        data = DatasetDict(
            {"train": Dataset.from_dict({"text": texts, "label": [i % 2 for i in range(rows)]})}
        )
        located = spec.model.locate()
        head = spec.task.learn(data, spec.model.config(located.folder))
        folder.mkdir()
        facts = write_encoded(folder, spec.task, spec.model, located, data, head, processes=processes)
        encoding.write_facts(folder, facts)
        return load_splits(str(folder), "encoded"), facts

    return write


@pytest.mark.parametrize("task", ["text_classification", "masked_lm"])
def test_processes_encode_what_one_does(job, task, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "ROWS", 7)
    one, facts = job(tmp_path / "one", task, 1)
    two, same = job(tmp_path / "two", task, 2)
    assert facts == same and len(one["train"]) > 0
    assert one["train"].features == two["train"].features
    assert one["train"].to_list() == two["train"].to_list()
    files = [tmp_path / name / "encoded" / "train.arrow" for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_texts_of_different_spans_are_never_packed_together(job, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "ROWS", 7)
    _, facts = job(tmp_path / "some", "masked_lm", 1)
    monkeypatch.setattr(encoding, "ROWS", 1000)
    _, all_in_one = job(tmp_path / "all", "masked_lm", 1)
    assert facts["tokens"]["train"] > 0 and facts["examples"]["train"] >= all_in_one["examples"]["train"]


def test_spans_are_of_rows_and_of_bytes(monkeypatch, tmp_path):
    monkeypatch.setattr(encoding, "ROWS", 10)
    monkeypatch.setattr(encoding, "BYTES", 1_000)
    Dataset.from_dict({"text": ["x"] * 15 + ["y" * 500] * 10}).save_to_disk(tmp_path / "rows")
    rows = load_from_disk(tmp_path / "rows")
    spans = list(spans_of(rows))
    assert spans[0] == (0, 10)
    assert [start for start, _ in spans[1:]] == [stop for _, stop in spans[:-1]] and spans[-1][1] == 25
    assert all(sum(map(len, rows["text"][start:stop])) <= 1_100 for start, stop in spans[1:])
    assert max(stop - start for start, stop in spans if start >= 15) == 1


def double(number: int) -> int:
    if number == 13:
        raise BadInput(Problem("there", "is wrong", "something else", "near"))
    return 2 * number


@pytest.mark.parametrize("processes", [1, 3])
def test_results_come_in_order_and_errors_whole(processes):
    assert list(ordered(double, range(12), processes)) == [2 * number for number in range(12)]
    with pytest.raises(BadInput) as raised:
        list(ordered(double, range(20), processes))
    assert raised.value.problems == [Problem("there", "is wrong", "something else", "near")]


def test_the_first_types_are_not_the_last_ones(tmp_path):
    import pyarrow as pa

    from pipeline.data.arrow_parts import ArrowParts

    parts = ArrowParts(tmp_path / "rows.arrow")
    for values in ([None], [[]], [[1]], [[2.5], None]):
        parts.add(pa.table({"x": pa.array(values)}))
    parts.join()
    assert Dataset.from_file(str(tmp_path / "rows.arrow"))["x"][:] == [None, [], [1.0], [2.5], None]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.arrow"]
