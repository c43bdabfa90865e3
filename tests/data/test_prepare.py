"""What preparation says of faulty data, and what it keeps."""

import shutil
from pathlib import Path

import pytest

from pipeline.data.prepare import Prepared, load_splits, prepare
from pipeline.errors import BadInput
from tests.specs import spec_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def prepared(overrides: list[str]) -> Prepared:
    spec = spec_of(overrides)
    return prepare(task=spec.task, checkpoint=spec.model, source=spec.data, strategy=spec.strategy)


def problems(overrides: list[str]) -> str:
    with pytest.raises(BadInput) as caught:
        prepared(overrides)
    return str(caught.value)


def test_rows_are_encoded_as_the_tokenizer_does(small: list[str], tiny_bert: Path):
    from transformers import AutoTokenizer

    found = prepared(small)
    assert found.rows == {"train": 192, "validation": 24, "test": 24} and not found.cached
    raw, encoded = load_splits(found.folder, "raw"), load_splits(found.folder, "encoded")
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    for split, rows in raw.items():
        ids = tokenizer(rows["text"][:])["input_ids"]
        assert encoded[split]["input_ids"][:] == ids
        assert found.tokens[split] == sum(map(len, ids))
    assert found.head["labels"] == ["bad", "good"]
    texts = [text for rows in raw.values() for text in rows["text"][:]]
    assert len(texts) == len(set(texts)) == 240


def test_parameters_are_those_of_the_model(small: list[str], tiny_bert: Path):
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)
    found = prepared([*small, "strategy=full"])
    assert found.trainable == found.total == model.num_parameters()
    lora = prepared([*small, "strategy=lora", "strategy.r=4"])
    config = LoraConfig(r=4, task_type=TaskType.SEQ_CLS, target_modules="all-linear")
    assert lora.trainable == get_peft_model(model, config).get_nb_trainable_parameters()[0]


def test_a_second_call_encodes_nothing(small: list[str], monkeypatch):
    first = prepared(small)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr("pipeline.tasks.text_classification.TextClassification.encode", fail)
    monkeypatch.setattr("pipeline.tasks.text_classification.TextClassification.load", fail)
    again = prepared([*small, "seed=7", "optimizer.lr=1", "logger=none"])
    assert again.cached and again.folder == first.folder


@pytest.mark.parametrize("change", ["task.max_length=7", "data.limit=50", "data.split.seed=3"])
def test_other_options_are_prepared_anew(small: list[str], change: str):
    assert prepared(small).folder != prepared([*small, change]).folder


def test_a_changed_byte_is_noticed(small: list[str], reviews: Path, tmp_path: Path):
    copy = shutil.copy(reviews, tmp_path / "copy.csv")
    words = [*small, f"data.train={copy}"]
    before = prepared(words)
    assert before.data_fingerprint == prepared(small).data_fingerprint
    text = copy.read_bytes()
    copy.write_bytes(text.replace(b"wonderful", b"wonderfux", 1))
    after = prepared(words)
    assert after.data_fingerprint != before.data_fingerprint
    assert after.folder != before.folder and not after.cached


def test_missing_columns_name_those_that_are_there(small: list[str]):
    said = problems([*small, "data.columns.text='review boddy'", "data.columns.label=stars"])
    assert "data.columns.text: the train split has no column 'review boddy'" in said
    assert "did you mean: review body" in said and "its columns are: review body, verdict" in said
    assert "no column 'stars'" in said


def test_a_role_that_the_task_does_not_have(small: list[str]):
    said = problems([*small, "data.columns.lable=verdict"])
    assert "data.columns.lable: the task has no column 'lable'" in said and "did you mean: label" in said


def test_a_label_that_training_never_saw(small: list[str], tmp_path: Path):
    path = tmp_path / "validation.csv"
    path.write_text("review body,verdict\nfilm,good\nplot,awful\n")
    said = problems([*small, f"data.validation={path}"])
    assert "awful" in said and "validation" in said


def test_empty_data_and_no_training_data(small: list[str], tmp_path: Path, reviews: Path):
    path = tmp_path / "empty.csv"
    path.write_text("review body,verdict\n")
    assert "empty.csv: there are no rows in it" in problems([*small, f"data.test={path}"])
    assert "there is no training split" in problems([*small, "data.train=null", f"data.test={reviews}"])


def test_nothing_is_kept_of_what_failed(small: list[str], cache: Path):
    problems([*small, "data.columns.text=nothing"])
    assert [path for path in cache.glob("encoded/*") if not path.name.startswith(".")] == []


def test_a_column_named_as_a_role_that_it_does_not_play(small: list[str], tmp_path: Path):
    path = tmp_path / "odd.csv"
    lines = [f"film {n},real text {n},{'good' if n % 2 else 'bad'}" for n in range(40)]
    path.write_text("\n".join(["text,body,label", *lines]) + "\n")
    words = [*small, "data.columns.text=body", "data.columns.label=label", f"data.train={path}"]
    rows = load_splits(prepared(words).folder, "raw")["train"]
    assert all(text.startswith("real text") for text in rows["text"][:])
