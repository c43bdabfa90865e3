"""From rows to texts: encoder-decoders and decoders memorise a few rows and write them again."""

import json
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
import torch
from datasets import Dataset, DatasetDict
from pydantic import ValidationError

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.tasks.text_to_text import TextToText
from pipeline.tasks.writing.generation import Generation
from tests.models import families
from tests.tasks.parts import answers

SAMPLES = Path(__file__).parent / "samples"
ROWS = {
    "source": ["the film was good", "a dull plot", "it is not boring", "great acting"],
    "target": ["the film was bad", "a great plot", "it is not great", "dull acting"],
}


def config(name: str) -> Any:
    return families.config(name)


def prepared(name: str, folder: Path, rows: dict[str, Any] | None = None, **options: Any) -> Any:
    """Task, head, model, tokenizer and one batch of all rows."""
    rows = rows or ROWS
    options = {"generation": Generation(max_new_tokens=8), **options}
    task = TextToText(**options)
    checkpoint = Checkpoint(checkpoint=families.pretrained(name, folder))
    head = task.learn(DatasetDict(train=Dataset.from_dict(rows)), config(name))
    torch.manual_seed(0)
    model, _ = task.load(checkpoint, str(folder), head)
    tokenizer = checkpoint.tokenizer(str(folder))
    features = task.encode(rows, tokenizer, head)
    examples = [{key: v[i] for key, v in features.items()} for i in range(len(rows["source"]))]
    return task, head, model, tokenizer, task.collate(examples, tokenizer)


def test_targets_that_are_lists_are_described() -> None:
    rows = {"source": ["a", "b"], "target": ['["x", "y"]', "z"]}
    head = TextToText().learn(DatasetDict(train=Dataset.from_dict(rows)), config("t5"))
    assert TextToText().describe(head)["targets"] == "lists of up to 2: all are right, the first is learned"
    head = TextToText().learn(DatasetDict(train=Dataset.from_dict(ROWS)), config("t5"))
    assert "targets" not in TextToText().describe(head)


def overrides(name: str, folder: Path, task: str, data: Path, **keys: Any) -> list[str]:
    checkpoint = families.pretrained(name, folder / name)
    words = [
        f"task={task}",
        "model=auto",
        f"model.checkpoint={checkpoint}",
        "data=files",
        f"data.train={data}",
    ]
    words += [
        f"data.validation={data}",
        f"data.test={data}",
        "hardware=cpu",
        "hardware.threads=1",
        "logger=csv",
    ]
    words += ["task.generation.max_new_tokens=16", "callbacks=none", f"paths.outputs={folder / 'outputs'}"]
    words += [
        "trainer.max_epochs=40",
        "trainer.batch_size=8",
        "trainer.evaluate_every=120",
        "optimizer.lr=1e-2",
    ]
    return words + [f"{key}={value}" for key, value in keys.items()]


def metrics_of(run: Run) -> dict[str, float]:
    return json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))


def test_learns_which_kind_of_model_and_what_script(tmp_path: Path) -> None:
    task, data = TextToText(), DatasetDict(train=Dataset.from_dict(ROWS))
    assert task.learn(data, config("t5")) == {"encoder_decoder": True, "latin": True}
    arabic = DatasetDict(train=Dataset.from_dict({"source": ["good"], "target": ["مرحبا بالعالم"]}))
    assert task.learn(arabic, config("gpt2")) == {"encoder_decoder": False, "latin": False}


def test_every_bad_row_is_named_before_anything_is_spent() -> None:
    data = DatasetDict(
        train=Dataset.from_dict({"source": ["a", None], "target": ["x", "y"]}),
        validation=Dataset.from_dict({"source": ["b", "c"], "target": ["", "z"]}),
    )
    with pytest.raises(BadInput) as raised:
        TextToText().learn(data, config("t5"))
    assert {(problem.where, problem.what) for problem in raised.value.problems} == {
        ("data.columns.source", "has no text in row 2 of train"),
        ("data.columns.target", "has no text in row 1 of validation ('b')"),
    }


def test_numbers_are_no_texts() -> None:
    data = DatasetDict(train=Dataset.from_dict({"source": [1.5, 2.5], "target": ["x", "y"]}))
    with pytest.raises(BadInput, match=r"has no text but 1\.5 in row 1 of train"):
        TextToText().learn(data, config("t5"))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"prompt": "translate"}, r"(?s)prompt\n.*'translate' needs one {source}"),
        ({"max_length": 9, "max_source_length": 9}, "set one of them"),
        ({"max_target_length": 1}, "greater than or equal to 2"),
        ({"label_smoothing": 1.0}, "less than 1"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        TextToText(**options)


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_label_smoothing_is_torchs(name: str, tmp_path: Path) -> None:
    from pipeline.tasks.writing.target_logits import target_logits

    task, _, model, _, batch = prepared(name, tmp_path, label_smoothing=0.1)
    output = task.loss(model, batch)
    expected = torch.nn.functional.cross_entropy(
        target_logits(model, batch).flatten(0, 1), batch["labels"].flatten(), label_smoothing=0.1
    )
    torch.testing.assert_close(output.loss / output.weight, expected)
    assert output.predictions is None and output.weight == (batch["labels"] >= 0).sum()


@pytest.mark.parametrize("name", ["bart", "llama"])
def test_sums_of_parts_are_the_sum_of_the_whole(name: str, tmp_path: Path) -> None:
    task, _, model, _, batch = prepared(name, tmp_path)
    whole = task.loss(model, batch)
    parts = [task.loss(model, {n: v[s] for n, v in batch.items()}) for s in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(sum(part.loss for part in parts), whole.loss)
    assert sum(part.weight for part in parts) == whole.weight


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_validation_writes_only_when_asked(name: str, tmp_path: Path) -> None:
    task, _, model, _, batch = prepared(name, tmp_path, generate_in_validation=False)
    assert task.monitor == "loss" and task.score_validation(model, batch).predictions is None
    assert len(task.score(model, batch).predictions) == 4
    asked = TextToText(generation=task.generation)
    assert asked.monitor == "chrf" and len(asked.score_validation(model, batch).predictions) == 4


def test_several_texts_for_each_row(tmp_path: Path) -> None:
    generation = Generation(max_new_tokens=4, num_beams=3, num_return_sequences=2)
    task, head, model, tokenizer, batch = prepared("bart", tmp_path, generation=generation)
    predictions = task.predict(model, batch)
    assert [len(several) for several in predictions] == [2] * 4
    for said in task.decode(answers(predictions), tokenizer, head):
        assert said["text"] == said["texts"][0] and len(said["texts"]) == 2


def test_the_first_of_several_targets_is_learned_and_all_are_scored(tmp_path: Path) -> None:
    rows = {"source": ["a film"], "target": [["the film", "it is great"]]}
    task, head, _, tokenizer, _ = prepared("t5", tmp_path, rows)
    (ids,) = task.encode(rows, tokenizer, head)["labels"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the film"
    metrics = task.metrics(head)
    metrics.update([{"text": "it is great"}], [{"source": "a film", "target": ["the film", "it is great"]}])
    found = task.scores(metrics.compute(), head).values
    assert found == pytest.approx({"exact_match": 1, "rougeL": 100, "chrf": 100, "length_ratio": 1})
    assert set(task.directions(head)) == {*found, "loss"}


def test_targets_of_new_data_must_be_texts_but_an_empty_source_can_be_asked_about(tmp_path: Path) -> None:
    task, head, _, tokenizer, _ = prepared("gpt2", tmp_path)
    with pytest.raises(BadInput, match=r"data\.columns\.target: has no text"):
        task.encode({"source": ["good"], "target": [""]}, tokenizer, head)
    with pytest.raises(BadInput, match=r"data\.columns\.source"):
        task.encode({"source": [" "], "target": ["bad"]}, tokenizer, head)
    with pytest.raises(BadInput, match=r"has no text but 5"):
        task.encode_inputs({"source": [5]}, tokenizer, head)
    assert task.encode_inputs({"source": [""], "target": ["bad"]}, tokenizer, head)["length"] == [1]


def test_words_of_rouge_follow_the_targets() -> None:
    for latin, chosen, score in [(True, "auto", 0), (False, "auto", 100), (True, "unicode", 100)]:
        rouge = TextToText(rouge_words=chosen).rouge({"latin": latin}, ["rouge1"])
        rouge.update([{"text": "北京"}], [{"target": "北京"}])
        assert rouge.compute() == {"rouge1": score}


def test_a_tokenizer_of_many_languages_needs_translation() -> None:
    from types import SimpleNamespace

    tokenizer: Any = SimpleNamespace(src_lang="en_XX")
    with pytest.raises(BadInput, match="must be told which"):
        TextToText().set_languages(tokenizer)


def test_an_encoder_decoder_that_does_not_say_how_it_begins(tmp_path: Path) -> None:
    folder = families.pretrained("t5", tmp_path, decoder_start_token_id=None, bos_token_id=None)
    with pytest.raises(BadInput, match="decoder_start_token_id"):
        TextToText().load(
            Checkpoint(checkpoint=folder), folder, {"encoder_decoder": True, "latin": True}, meta=True
        )


def test_the_saved_model_knows_how_its_texts_end(tmp_path: Path) -> None:
    _, _, model, tokenizer, _ = prepared("gpt2", tmp_path)
    model.generation_config.eos_token_id = 9
    TextToText().prepare_generation(model, tokenizer, {"encoder_decoder": False})
    assert model.generation_config.eos_token_id == [9, tokenizer.eos_token_id]


def test_a_run_memorises_and_its_model_writes(tmp_path: Path) -> None:
    data = SAMPLES / "text_to_text.jsonl"
    run = Run.train(overrides("llama", tmp_path, "text_to_text", data))
    metrics = metrics_of(run)
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    said = [text["text"] for text in run.predict([{"source": row["source"]} for row in rows])]
    expected = sacrebleu.corpus_chrf(said, [[row["target"] for row in rows]]).score
    assert metrics["test/chrf"] == pytest.approx(expected, abs=1e-6) and expected > 60
    exact = sum(text == row["target"] for text, row in zip(said, rows, strict=True)) / len(rows)
    assert metrics["test/exact_match"] == pytest.approx(exact)
    scored = run.evaluate([f"data.test={data}"])
    assert scored["test/chrf"] == pytest.approx(expected, abs=1e-6)
    lines = (run.folder / "predictions/test.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["prediction"]["text"] for line in lines] == said
