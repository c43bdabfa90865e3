import json
import os
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
from datasets import Dataset, DatasetDict

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.tasks.translation import Translation
from tests.models import families
from tests.tasks.test_text_to_text import SAMPLES, config, metrics_of, overrides
from tests.tasks.word_models import word_bart

NESTED = {"translation": [{"en": "a film", "de": "ein Film"}, {"en": "good", "de": "gut"}]}
GERMAN = {"source_language": "en", "target_language": "de"}


def data(**columns: Any) -> DatasetDict:
    return DatasetDict(train=Dataset.from_dict(columns))


def test_texts_in_one_column_by_language() -> None:
    task = Translation(**GERMAN)
    head = task.learn(data(**NESTED), config("t5"))
    assert head == {"encoder_decoder": True, "latin": True, "bleu_tokenizer": "13a"}
    made = families.tokenizer(kind="encoder_decoder")
    rows = {"translation": [{"en": "film", "de": "plot"}]}
    assert task.encode(rows, made, head)["labels"] == [made("plot")["input_ids"]]
    assert task.encode_inputs({"translation": [{"en": "film"}]}, made, head)["input_ids"] == [
        made("film")["input_ids"]
    ]
    metrics = task.metrics(head)
    metrics.update([{"text": "ein Film"}], [{"translation": NESTED["translation"][0]}])
    assert task.scores(metrics.compute(), head).values["chrf"] == pytest.approx(100)


def test_the_columns_language_is_the_first_part_of_a_code() -> None:
    assert Translation(source_language="en_XX").source_of({"translation": {"en": "x"}}) == "x"


def test_columns_of_their_own_come_first() -> None:
    row = {"source": "x", "target": ["y", "z"], "translation": {"en": "a", "de": "b"}}
    assert Translation(**GERMAN).source_of(row) == "x" and Translation().references_of(row) == ["y", "z"]


@pytest.mark.parametrize(
    ("options", "columns", "problems"),
    [
        (
            GERMAN,
            {"en": ["a"], "de": ["b"]},
            {
                "data.columns.source": "there is no column 'source', and none called 'translation', in train",
                "data.columns.target": "there is no column 'target', and none called 'translation', in train",
            },
        ),
        (
            {"target_language": "du"},
            NESTED,
            {
                "task.source_language": "must be set, because the texts are in the column 'translation'",
                "task.target_language": "the column 'translation' of train has no 'du'",
            },
        ),
        (
            GERMAN,
            {"translation": [{"en": "a", "de": "b"}, {"en": "", "de": None}]},
            {
                "data.columns.source": "has no text in row 2 of train",
                "data.columns.target": "has no text in row 2 of train",
            },
        ),
    ],
)
def test_what_is_wrong_is_told_at_once(options: Any, columns: Any, problems: dict[str, str]) -> None:
    with pytest.raises(BadInput) as raised:
        Translation(**options).learn(data(**columns), config("t5"))
    found = {problem.where: problem.what for problem in raised.value.problems}
    assert found.keys() == problems.keys()
    assert all(found[where].startswith(what) for where, what in problems.items())


def test_the_right_column_is_proposed() -> None:
    with pytest.raises(BadInput, match=r"data\.columns\.target=de"):
        Translation(**GERMAN).learn(data(en=["a"], de=["b"]), config("t5"))


@pytest.mark.parametrize(
    ("options", "text", "tokenizer"),
    [
        ({}, "我们去北京。", "zh"),
        ({"target_language": "zh_CN"}, "x", "zh"),
        ({"bleu_tokenizer": "char"}, "x", "char"),
    ],
)
def test_how_bleu_counts_words(options: Any, text: str, tokenizer: str) -> None:
    task = Translation(**options)
    head = task.learn(data(source=["a"], target=[text]), config("t5"))
    assert head["bleu_tokenizer"] == tokenizer and tokenizer in task.describe(head)["BLEU"]
    metrics = task.metrics(head)
    said, right = "我们去北京吗。", "我们去北京吧。"
    metrics.update([{"text": said}], [{"target": right}])
    expected = sacrebleu.corpus_bleu([said], [[right]], tokenize=tokenizer).score
    assert metrics.compute()["bleu"] == pytest.approx(expected)


def test_a_tokenizer_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sacrebleu.metrics

    def missing(**_: Any) -> None:
        raise RuntimeError("Please install MeCab")

    monkeypatch.setattr(sacrebleu.metrics, "BLEU", missing)
    with pytest.raises(BadInput, match=r"ja-mecab needs.*\n.*sacrebleu\[ja\]"):
        Translation(target_language="ja").learn(data(source=["a"], target=["b"]), config("t5"))


def test_scores_have_their_directions() -> None:
    for words, name in [(False, "chrf"), (True, "chrfpp")]:
        task = Translation(chrf_words=words)
        metrics = task.metrics({"bleu_tokenizer": "13a", "latin": True})
        metrics.update([{"text": "a"}], [{"target": "b"}])
        assert (
            {"loss", *metrics.compute()} == set(task.directions({})) == {"loss", "bleu", name, "length_ratio"}
        )


def test_a_run_on_nested_columns(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (SAMPLES / "translation.jsonl").read_text().splitlines()]
    file = tmp_path / "wmt.json"
    nested = [{"translation": {"en": row["source"], "xx": row["target"]}} for row in rows]
    file.write_text("".join(json.dumps(row) + "\r\n" for row in nested), encoding="utf-8-sig")
    languages = {"task.source_language": "en", "task.target_language": "xx"}
    run = Run.train(overrides("bart", tmp_path, "translation", file, **languages))
    said = [text["text"] for text in run.predict(nested)]
    expected = sacrebleu.corpus_bleu(said, [[row["target"] for row in rows]]).score
    assert metrics_of(run)["test/bleu"] == pytest.approx(expected, abs=1e-6) and expected > 30
    # What is asked about need not have the language that is to be written.
    asked = [{"translation": {"en": row["source"]}} for row in rows]
    assert [text["text"] for text in run.predict(asked)] == said
    assert [text["text"] for text in run.predict([{"source": row["source"]} for row in rows])] == said


@pytest.mark.acceptance
@pytest.mark.skipif("HYDRATUNE_DATA" not in os.environ, reason="HYDRATUNE_DATA names no folder")
def test_wmts_sample_is_memorised(tmp_path: Path) -> None:
    """The bar of transformers' test of run_translation, with its steps and batches, from random weights."""
    file = Path(os.environ["HYDRATUNE_DATA"]) / "hf_samples/wmt16/sample.json"
    rows = [json.loads(line)["translation"] for line in file.read_text(encoding="utf-8").splitlines()]
    model = word_bart(tmp_path / "model", [text for row in rows for text in row.values()])
    languages = {"task.source_language": "en", "task.target_language": "ro"}
    steps = {"trainer.max_steps": 50, "trainer.batch_size": 2, "optimizer.lr": 3e-3}
    keys = overrides("bart", tmp_path, "translation", file, **languages, **steps)
    run = Run.train([*keys, f"model.checkpoint={model}", "trainer.max_epochs=null"])
    assert metrics_of(run)["test/bleu"] >= 30
