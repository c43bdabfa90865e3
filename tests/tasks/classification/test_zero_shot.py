"""Models that were never trained for the labels: their scores against plain transformers, and whole runs of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.tasks.classification import zero_shot
from pipeline.tasks.classification.trained_head import has_head_for
from pipeline.tasks.text_classification import TextClassification
from tests.models import families
from tests.specs import spec_of

LABELS = ["good", "bad", "very_boring"]
DESCRIPTIONS = {"good": "a great film", "bad": "not good"}
TEXTS = ["the acting was very good", "dull", "it is a great plot and not boring in the film"]
PROMPT = "{text} it is"


def loaded(family: str, tmp_path: Path, way: Any = None) -> Any:
    """Task, head, model, tokenizer and the folder of a random backbone."""
    folder = families.pretrained(family, tmp_path / family)
    checkpoint = Checkpoint(checkpoint=folder)
    facts = zero_shot.learn(LABELS, DESCRIPTIONS, way, PROMPT, checkpoint.config(folder))
    head = {"labels": LABELS, "class_names": None, "class_weights": None, "zero_shot": facts}
    task = TextClassification(train=False, prompt=PROMPT)
    model, _ = task.load(checkpoint, folder, head)
    return task, head, model.eval(), checkpoint.tokenizer(folder), folder


def predicted(task: Any, head: Any, model: Any, tokenizer: Any, texts: list[str]) -> torch.Tensor:
    features = task.encode({"text": texts}, tokenizer, head)
    rows = [{name: values[i] for name, values in features.items()} for i in range(len(texts))]
    with torch.inference_mode():
        return task.predict(model, task.collate(rows, tokenizer))


def test_the_nearest_description_wins(tmp_path: Path) -> None:
    task, head, model, tokenizer, folder = loaded("bert", tmp_path)
    assert head["zero_shot"]["descriptions"] == ["a great film", "not good", "very boring"]
    assert head["zero_shot"]["way"] == "embedding" and task.heads_for(head) == ("backbone", "text_encoding")
    plain = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def mean(text: str) -> np.ndarray:
        inputs = tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            vector = plain(**inputs).last_hidden_state[0].mean(0).numpy()
        return vector / np.linalg.norm(vector)

    labels = np.stack([mean(text) for text in head["zero_shot"]["descriptions"]])
    expected = np.stack([mean(text) for text in TEXTS]) @ labels.T
    found = predicted(task, head, model, tokenizer, TEXTS) * zero_shot.TEMPERATURE
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "mistral", "gemma3"])
def test_the_likeliest_description_wins(family: str, side: str, tmp_path: Path) -> None:
    """Each prompt with each label through plain transformers alone, without padding or a cache."""
    task, head, model, tokenizer, folder = loaded(family, tmp_path)
    assert head["zero_shot"]["way"] == "likelihood" and task.heads_for(head) == ("causal_lm",)
    tokenizer.padding_side = side
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    plain.load_state_dict(model.state_dict())  # a head that the checkpoint lacks is random

    def likelihood(prompt: str, label: str) -> float:
        before, after = tokenizer(prompt)["input_ids"], tokenizer(label)["input_ids"]
        with torch.inference_mode():
            logits = plain(torch.tensor([before + after])).logits[0].log_softmax(-1)
        return sum(float(logits[len(before) - 1 + i, token]) for i, token in enumerate(after))

    found = predicted(task, head, model, tokenizer, TEXTS)
    for text, row in zip(TEXTS, found, strict=True):
        expected = [
            likelihood(f"{text} it is", label) - likelihood(" it is", label)
            for label in head["zero_shot"]["descriptions"]
        ]
        np.testing.assert_allclose(row, expected, atol=1e-4)


def test_a_long_text_is_cut_and_the_prompt_is_not(tmp_path: Path) -> None:
    _, head, _, tokenizer, _ = loaded("llama", tmp_path)
    short = TextClassification(train=False, prompt=PROMPT, max_length=12)
    features = short.encode({"text": ["good film " * 5_000, "good"]}, tokenizer, head)
    assert features["truncated"] == [True, False]
    assert all(tokenizer.decode(ids).endswith("it is") for ids in features["input_ids"])
    assert features["length"][0] <= 12 - 3
    with pytest.raises(BadInput, match="no room for a text"):
        TextClassification(train=False, max_length=6).encode({"text": ["a"]}, tokenizer, head)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("card_arrival", "card arrival"),
        ("cardArrival", "card Arrival"),
        ("__", "__"),
        ("5", "5"),
        ("é-猫", "é 猫"),
    ],
)
def test_a_label_in_words(label: str, words: str) -> None:
    assert zero_shot.words_of(label) == words


def test_descriptions_that_do_not_fit(tmp_path: Path) -> None:
    config = Checkpoint(checkpoint="x").config(families.pretrained("bert", tmp_path))
    with pytest.raises(BadInput) as raised:
        zero_shot.learn(LABELS, {"goood": "x", "bad": "very boring"}, "likelihood", PROMPT, config)
    unknown, twice, way = raised.value.problems
    assert unknown.where == "task.label_descriptions.goood" and unknown.nearest == "good"
    assert "describes several labels" in twice.what
    assert way.what == "bert cannot do likelihood" and way.allowed == "embedding"


def test_options_of_a_model_that_is_not_trained_need_one() -> None:
    with pytest.raises(BadInput, match=r"task\.zero_shot: .* this run trains"):
        spec_of(["task.zero_shot=embedding", "logger=none"])
    spec = spec_of(["task.zero_shot=embedding", "logger=none", "train=false", "strategy=lora"])
    assert not spec.task.train and spec.name == "bert-untouched"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="prompt"):
        TextClassification(prompt="Topic:")


def rows(path: Path, count: int = 40) -> Path:
    words = ["good", "great", "very good", "bad", "dull", "very bad"]
    lines = [
        {"text": f"the film {i % 7 * 'was '}{words[i % 6]}", "label": "good" if i % 6 < 3 else "bad"}
        for i in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def keys(folder: str, tmp_path: Path, *more: str) -> list[str]:
    own = [f"model.checkpoint={folder}", f"paths.outputs={tmp_path}/outputs"]
    return [
        "model=auto",
        "data=files",
        "train=false",
        "hardware=cpu",
        "hardware.threads=1",
        "logger=csv",
        *own,
        *more,
    ]


@pytest.mark.parametrize("family", ["bert", pytest.param("llama", marks=pytest.mark.slow)])
def test_a_run_that_trains_nothing(family: str, tmp_path: Path) -> None:
    """From a test file alone; its model, evaluate and predict give the same numbers."""
    folder = families.pretrained(family, tmp_path / "checkpoint")
    if family == "llama":  # with the head that predicts words
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(families.config("llama")).save_pretrained(folder)
    run = Run.train(keys(folder, tmp_path, f"data.test={rows(tmp_path / 'rows.jsonl')}"))
    prepared = run.manifest["prepared"]
    assert prepared["trainable"] == 0 and prepared["rows"] == {"test": 40}
    assert run.metrics["total_steps"] == run.metrics["best_step"] == 0
    assert not list(run.folder.glob("checkpoints/*")) and not (run.folder / "model/adapter").exists()
    test = {name: value for name, value in run.metrics.items() if name.startswith("test/")}
    assert run.evaluate() == pytest.approx(test, abs=1e-6)
    written = [json.loads(line) for line in (run.folder / "predictions/test.jsonl").open()]
    said = run.predict([row["text"] for row in written])
    for row, again in zip(written, said, strict=True):
        assert again["scores"] == pytest.approx(row["prediction"]["scores"], abs=1e-5)
    assert AutoTokenizer.from_pretrained(run.folder / "model")
    card = (run.folder / "README.md").read_text()
    assert "none of its" in card and "text-classification" not in card


def test_the_plan_of_a_run_that_trains_nothing(tmp_path: Path) -> None:
    folder = families.pretrained("bert", tmp_path / "checkpoint")
    words = keys(folder, tmp_path, f"data.train={rows(tmp_path / 'rows.jsonl')}")
    plan = Run.plan([*words, "strategy=lora", "task.label_descriptions={good: a great film}"])
    assert plan["zero-shot"] == "by embedding of: bad, a great film"
    assert plan["steps"].startswith("none") and plan["parameters"].endswith("none trained")
    assert "4 validation, 4 test" in plan["data"] and "train" not in plan["data"]
    assert "checkpoint" not in plan
    with pytest.raises(BadInput, match="nothing to evaluate on"):
        Run.plan([*words, "data.split.validation=0", "data.split.test=0"])


def test_a_trained_head_is_scored_with_that_head(finished: Path, reviews: Path, tmp_path: Path) -> None:
    columns = ["data.columns.text='review body'", "data.columns.label=verdict"]
    words = keys(str(finished), tmp_path, f"data.train={reviews}", *columns)
    run = Run.train(words)
    trained = Run(finished).metrics
    for name in ("test/accuracy", "test/loss", "val/f1"):
        assert run.metrics[name] == pytest.approx(trained[name], abs=1e-5)
    assert "zero_shot" not in run.manifest["prepared"]["head"]
    assert 'pipeline("text-classification"' in (run.folder / "README.md").read_text()


def test_a_head_without_names_asks_for_them(tmp_path: Path) -> None:
    folder = str(tmp_path / "checkpoint")
    families.pretrained("bert", Path(folder))
    families.classifier("bert", num_labels=2).save_pretrained(folder)
    config = Checkpoint(checkpoint=folder).config(folder)
    with pytest.raises(BadInput, match=r"task\.labels: .*2 classes, and does not say which"):
        has_head_for(config, ["bad", "good"], None)
    assert has_head_for(config, ["bad", "good"], ["bad", "good"])
    assert not has_head_for(config, ["a", "b", "c"], None)


def test_several_labels_need_training(tmp_path: Path) -> None:
    folder = families.pretrained("bert", tmp_path / "checkpoint")
    with pytest.raises(BadInput, match=r"task\.multi_label"):
        Run.plan(keys(folder, tmp_path, f"data.train={rows(tmp_path / 'r.jsonl')}", "task.multi_label=true"))


def test_a_random_head_is_not_scored(tmp_path: Path) -> None:
    """Of another task, whose head the checkpoint does not have; nothing is left of the run."""
    folder = families.pretrained("bert", tmp_path / "checkpoint")
    path = tmp_path / "numbers.jsonl"
    path.write_text(
        "".join(json.dumps({"text": f"film {'very ' * (i % 5)}", "label": i / 7}) + "\n" for i in range(20))
    )
    with pytest.raises(BadInput, match=r"classifier\.bias.* would be random"):
        Run.plan(keys(folder, tmp_path, "task=regression", f"data.train={path}"))
    with pytest.raises(BadInput, match="would be random"):
        Run.train(keys(folder, tmp_path, "task=regression", f"data.train={path}"))
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
@pytest.mark.acceptance
def test_minilm_knows_the_topics_of_news(tmp_path: Path) -> None:
    # The start of an article tells its topic.
    words = ["train=false", "data=bbc_news", "data.limit=200", "task.max_length=128", "logger=none"]
    run = Run.train([*words, f"paths.outputs={tmp_path}"])
    assert run.metrics["test/accuracy"] > 0.75, "one in five would be right by chance"
