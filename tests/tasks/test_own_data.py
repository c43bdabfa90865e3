"""Every task with data as people have it: csv and jsonl, byte order marks, other scripts, long texts, wrong names."""

import csv
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipeline import Run
from pipeline.compose import matrix
from pipeline.data.prepare import load_splits
from pipeline.errors import BadInput
from pipeline.models.heads import AUTO_CLASSES
from tests.models import families

SAMPLES = Path(__file__).parent / "samples"
Row = dict[str, Any]
# What a text is read from, and the model that reads it: one with the head that the task wants to find.
TASKS = {
    "causal_lm": ("text", "llama", "causal_lm"),
    "code_generation": ("prompt", "llama", "causal_lm"),
    "instruction_tuning": ("prompt", "llama", "causal_lm"),
    "masked_lm": ("text", "bert", "masked_lm"),
    "multiple_choice": ("context", "bert", "pretraining"),
    "question_answering": ("context", "bert", "pretraining"),
    "regression": ("text", "bert", "pretraining"),
    "sentence_embedding": ("text", "bert", "pretraining"),
    "summarization": ("source", "bart", "seq2seq_lm"),
    "text_classification": ("text", "bert", "pretraining"),
    "text_to_text": ("source", "bart", "seq2seq_lm"),
    "token_classification": ("tokens", "bert", "pretraining"),
    "translation": ("source", "bart", "seq2seq_lm"),
}
SCRIPTS = "这部电影很好。 الفيلم جيد جدا 👍🏽 Größe naïve\u200b"


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRATUNE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    @cache
    def folder_of(task: str) -> str:
        _, family, head = TASKS[task]
        return families.with_head(family, AUTO_CLASSES[head], tmp_path_factory.mktemp(family))  # type: ignore[index]

    return folder_of


@cache
def rows(task: str) -> tuple[Row, ...]:
    return tuple(map(json.loads, (SAMPLES / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()))


def longer(task: str, row: Row, more: str) -> Row:
    """``row`` with more words at the end of what is read."""
    role = TASKS[task][0]
    if task == "token_classification":
        words = more.split()
        return {"tokens": row["tokens"] + words, "tags": row["tags"] + ["O"] * len(words)}
    return {**row, role: f"{row[role]} {more}"}


def jsonl(path: Path, some: Any, encoding: str = "utf-8", end: str = "\n") -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + end for row in some)
    path.write_bytes(text.encode(encoding))
    return path


def table(path: Path, some: Any, encoding: str = "utf-8", end: str = "\n") -> Path:
    """A csv, with lists and objects as JSON in their cells."""
    with path.open("w", encoding=encoding, newline="") as file:
        out = csv.writer(file, lineterminator=end)
        out.writerow(some[0])
        for row in some:
            out.writerow(v if isinstance(v, str) else json.dumps(v) for v in row.values())
    return path


def prepared(task: str, checkpoint: str, file: Path, *words: str) -> Path:
    """The folder of what `prepare` makes of a file. The audit, which stops for words that a model does not know, is
    tested elsewhere."""
    given = [
        f"task={task}",
        "model=auto",
        f"model.checkpoint={checkpoint}",
        "data=files",
        f"data.train={file}",
    ]
    given += ["task.template=plain"] if task == "instruction_tuning" else []
    return Path(Run.prepare([*given, "data.audit=off", *words]).folder)


def encoded(folder: Path) -> list[Row]:
    return list(load_splits(str(folder), "encoded")["train"])


def test_every_task_is_here():
    assert set(TASKS) == set(matrix.declared("task"))


@pytest.mark.parametrize("task", TASKS)
def test_a_file_is_read_alike_however_it_is_written(
    task: str, model: Callable[[str], str], tmp_path: Path
) -> None:
    expected = encoded(prepared(task, model(task), jsonl(tmp_path / "a.jsonl", rows(task))))
    assert expected
    files = [
        jsonl(tmp_path / "b.jsonl", rows(task), "utf-8-sig", "\r\n"),
        table(tmp_path / "c.csv", rows(task)),
        table(tmp_path / "d.csv", rows(task), "utf-8-sig", "\r\n"),
    ]
    for file in files:
        assert encoded(prepared(task, model(task), file)) == expected, file.name


@pytest.mark.parametrize("task", TASKS)
def test_other_scripts_stay_what_they_are(task: str, model: Callable[[str], str], tmp_path: Path) -> None:
    some = [longer(task, row, SCRIPTS) for row in rows(task)]
    role = TASKS[task][0]
    for file in (jsonl(tmp_path / "a.jsonl", some), table(tmp_path / "b.csv", some)):
        raw = load_splits(str(prepared(task, model(task), file)), "raw")
        kept = [row[role] for split in raw.values() for row in split]
        if task == "token_classification":
            kept = [json.loads(cell) if isinstance(cell, str) else cell for cell in kept]
        assert sorted(map(str, kept)) == sorted(str(row[role]) for row in some)


def longest(value: Any) -> int:
    """The longest list of numbers in it."""
    if isinstance(value, dict):
        return max(map(longest, value.values()), default=0)
    if isinstance(value, list):
        return max([len(value) if value and isinstance(value[0], int) else 0, *map(longest, value)])
    return 0


@pytest.mark.parametrize("task", TASKS)
def test_a_text_of_ten_thousand_words_fits(task: str, model: Callable[[str], str], tmp_path: Path) -> None:
    words = "the film was good " * 2_500
    some = [longer(task, row, words) if number < 4 else row for number, row in enumerate(rows(task))]
    file = jsonl(tmp_path / "a.jsonl", some)
    if task == "instruction_tuning":
        # What is asked is never cut, as the answer would belong to something else.
        with pytest.raises(
            BadInput, match=r"takes all \d+ tokens of max_length.*a\.jsonl:\d.*\(4 rows in all\)"
        ):
            prepared(task, model(task), file)
        file = jsonl(tmp_path / "b.jsonl", [*some[4:], {**some[5], "response": f"it is {words}"}])
    ids = [row["input_ids"] for row in encoded(prepared(task, model(task), file))]
    # A model of these families reads 512 or 1,024 tokens; code follows what was asked for.
    assert 16 <= max(map(longest, ids)) <= 1_024


@pytest.mark.parametrize("task", TASKS)
def test_a_column_of_another_name_is_asked_for(
    task: str, model: Callable[[str], str], tmp_path: Path
) -> None:
    role = TASKS[task][0]
    some = [{f"my_{key}" if key == role else key: value for key, value in row.items()} for row in rows(task)]
    file = table(tmp_path / "a.csv", some)
    with pytest.raises(BadInput) as caught:
        prepared(task, model(task), file)
    told = str(caught.value)
    assert f"data.columns.{role}" in told and f"my_{role}" in told
    named = f"data.columns.{role}=my_{role}"
    assert encoded(prepared(task, model(task), file, named)) == encoded(
        prepared(task, model(task), jsonl(tmp_path / "b.jsonl", rows(task)))
    )
