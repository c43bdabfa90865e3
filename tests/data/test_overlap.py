"""What one run trains on and another is scored on is counted, as whole texts."""

from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from pipeline.data.overlap import seen_before
from pipeline.tasks.masked_lm import MaskedLM
from pipeline.tasks.text_classification import TextClassification


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))


def prepared(folder: Path, **splits: list[dict]) -> str:
    DatasetDict({name: Dataset.from_list(rows) for name, rows in splits.items()}).save_to_disk(folder / "raw")
    return str(folder)


def test_rows_whose_texts_were_all_trained_on_are_counted(tmp_path: Path):
    texts = [{"text": "A  Dull film."}, {"text": "is it?"}, {"text": "yes, it is."}, {"text": "positive"}]
    trained = prepared(tmp_path / "a", train=texts, test=[{"text": "only tested"}])
    scored = prepared(
        tmp_path / "b",
        train=[{"text": "a dull film.", "text_pair": "", "label": "x"}],
        validation=[{"text": "a dull\nfilm.", "text_pair": "", "label": "negative"}],
        test=[
            {"text": "Is it?", "text_pair": "Yes, it is.", "label": "positive"},
            {"text": "is it?", "text_pair": "Nobody knows.", "label": "positive"},
            {"text": "only tested", "text_pair": "", "label": "positive"},
            {"text": "", "text_pair": "", "label": "positive"},
        ],
    )
    found = seen_before((MaskedLM(), trained), (TextClassification(), scored))
    assert found == {"validation": 1, "test": 1}
    assert seen_before((TextClassification(), scored), (MaskedLM(), trained)) == {"test": 0}


def test_a_run_that_trains_on_nothing_has_seen_nothing(tmp_path: Path):
    row = [{"text": "a", "label": "x"}]
    folder = prepared(tmp_path / "a", test=row)
    assert seen_before((TextClassification(), folder), (TextClassification(), folder)) == {"test": 0}
