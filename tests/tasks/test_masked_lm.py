"""The loss is the models' own, evaluation does not depend on batches, and masks are filled."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from datasets import Dataset, DatasetDict

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.tasks.language.masking import DRAWS, masked
from pipeline.tasks.masked_lm import MaskedLM
from pipeline.training.answers import Answer
from tests.conftest import Command, only_run, start
from tests.models import families
from tests.models.families import FAMILIES, WORDS

SAMPLES = Path(__file__).parent / "samples" / "masked_lm.jsonl"
TEXTS = [
    "the film was good. it is great. this plot was bad",
    "a very dull plot",
    " \n",
    "it is great acting. " * 9,
]
ENCODERS = [
    name
    for name, family in FAMILIES.items()
    if family.kind == "encoder"
    and type(families.config(name)) in transformers.AutoModelForMaskedLM._model_mapping
]


def prepared(family: str, folder: Path, **options: Any) -> Any:
    """Task, head, model and tokenizer."""
    auto = "AutoModelForPreTraining" if options.get("next_sentence") else "AutoModelForMaskedLM"
    path = families.with_head(family, auto, folder)
    checkpoint, task = Checkpoint(checkpoint=path), MaskedLM(**{"max_length": 16, **options})
    head = task.learn(DatasetDict(train=Dataset.from_dict({"text": TEXTS})), checkpoint.config(path))
    return task, head, task.load(checkpoint, path, head)[0], checkpoint.tokenizer(path)


def features(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [{name: values[i] for name, values in columns.items()} for i in range(len(columns["length"]))]


def masks_of(task: MaskedLM, batch: dict[str, torch.Tensor], seed: int) -> Any:
    torch.manual_seed(seed)
    draws = torch.rand(*batch["input_ids"].shape, DRAWS)
    return masked(
        batch["input_ids"], batch["words"], draws, task.mask_share, batch["mask"], batch["vocabulary"]
    )


@pytest.mark.parametrize("family", ENCODERS)
def test_the_loss_is_the_models_own(family: str, tmp_path: Path) -> None:
    task, head, model, tokenizer = prepared(family, tmp_path)
    batch = task.collate(features(task.encode({"text": TEXTS}, tokenizer, head)), tokenizer)
    ids, labels = masks_of(task, batch, 5)
    torch.manual_seed(5)
    output = task.loss(model, batch)
    own = model(**{**task.forward_inputs(batch), "input_ids": ids}, labels=labels)
    torch.testing.assert_close(output.loss / output.weight, own.loss)
    chosen = labels != -100
    assert output.weight == chosen.sum() > 0
    assert output.targets["right"] == (own.logits.argmax(-1) == labels)[chosen].sum()
    torch.manual_seed(6)
    assert task.loss(model, batch).loss != output.loss  # other masks


def test_both_objectives_count_the_same(tmp_path: Path) -> None:
    task, head, model, tokenizer = prepared("bert", tmp_path, next_sentence=True)
    assert task.heads_for(head) == ("pretraining",)
    batch = task.collate(features(task.encode({"text": TEXTS}, tokenizer, head)), tokenizer)
    assert batch["token_type_ids"].any() and set(batch["next_sentence"].tolist()) == {0, 1}
    ids, labels = masks_of(task, batch, 5)
    torch.manual_seed(5)
    output = task.loss(model, batch)
    inputs = {**task.forward_inputs(batch), "input_ids": ids}
    own = model(**inputs, labels=labels, next_sentence_label=batch["next_sentence"])
    torch.testing.assert_close(output.loss / output.weight, own.loss)
    metric = task.metrics(head)
    metric.update(None, output.targets)
    scores = task.scores({"loss": float(own.loss.detach()), **metric.compute()}, head).values
    words = torch.nn.functional.cross_entropy(own.prediction_logits.flatten(0, 1), labels.flatten())
    right = (own.seq_relationship_logits.argmax(-1) == batch["next_sentence"]).float().mean()
    assert scores["perplexity"] == pytest.approx(float(words.exp().detach()), rel=1e-6)
    assert scores["nsp_accuracy"] == pytest.approx(float(right))
    assert {*scores, "loss"} == task.directions(head).keys()


@pytest.mark.parametrize("options", [{}, {"join": False, "whole_words": True}, {"next_sentence": True}])
def test_evaluation_does_not_depend_on_batches(options: dict[str, Any], tmp_path: Path) -> None:
    task, head, model, tokenizer = prepared("bert", tmp_path, **options)
    blocks = features(task.encode({"text": TEXTS}, tokenizer, head))
    state = torch.get_rng_state()
    whole = task.score(model, task.collate(blocks, tokenizer)).targets
    parts = [task.score(model, task.collate([block], tokenizer)).targets for block in reversed(blocks)]
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in whole.items():
        torch.testing.assert_close(sum(part[name] for part in parts), value)
    assert task.score(model, task.collate(blocks, tokenizer)).targets["nats"] == whole["nats"]
    other = MaskedLM(max_length=16, **{**options, "mask_seed": 1})
    again = features(other.encode({"text": TEXTS}, tokenizer, head))
    assert [block["seed"] for block in again] != [block["seed"] for block in blocks]


@pytest.mark.parametrize("options", [{}, {"join": False}, {"next_sentence": True}])
def test_no_token_is_lost(options: dict[str, Any], tmp_path: Path) -> None:
    draw = random.Random(0)
    texts = [
        " . ".join(" ".join(draw.choices(WORDS, k=9)) for _ in range(draw.randint(1, 9))) for _ in range(20)
    ]
    task, head, _, tokenizer = prepared("bert", tmp_path, **options)
    blocks = features(task.encode({"text": texts}, tokenizer, head))
    assert all(block["length"] <= 16 for block in blocks)
    found = sum(number >= 0 for block in blocks for number in block["words"])
    there = sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
    assert found >= there if options.get("next_sentence") else found == there
    for block in blocks:
        assert block["input_ids"][0] == families.CLS and block["input_ids"][-1] == families.SEP


def test_masks_are_filled(tmp_path: Path) -> None:
    task, head, model, tokenizer = prepared("bert", tmp_path, top_k=3)
    texts = ["the film [MASK] good [MASK]", "[MASK] is " + "great acting " * 12 + "[MASK] of [MASK]"]
    columns = task.encode_inputs({"text": texts}, tokenizer, head)
    blocks = features(columns)
    assert columns["row"] == [0, 1, 1, 1] and not any(columns["truncated"])
    raw = task.predict(model, task.collate(blocks, tokenizer))
    given = [Answer({"text": texts[0]}, blocks[:1], raw[:1]), Answer({"text": texts[1]}, blocks[1:], raw[1:])]
    first, second = task.decode(given, tokenizer, head)
    assert len(first["masks"]) == 2 and len(second["masks"]) == 3
    assert all(len(mask) == 3 and mask[0]["score"] >= mask[2]["score"] > 0 for mask in first["masks"])
    best = [mask[0]["token"] for mask in first["masks"]]
    assert first["filled"] == f"the film {best[0]} good {best[1]}"
    logits = model(**tokenizer(texts[0], return_tensors="pt")).logits.softmax(-1)[0, 3]
    assert first["masks"][0][0]["score"] == pytest.approx(float(logits.detach().max()), rel=1e-5)


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    task, head, _, tokenizer = prepared("bert", tmp_path)
    with pytest.raises(BadInput, match=r"data\.columns\.text: has no mask"):
        task.encode_inputs({"text": ["a [MASK]", "no"]}, tokenizer, head)
    with pytest.raises(BadInput, match="no text, but 3"):
        task.encode({"text": [3]}, tokenizer, head)
    with pytest.raises(BadInput, match="has no mask token"):
        task.encode({"text": ["a"]}, families.tokenizer(kind="decoder"), head)
    path = families.with_head("roberta", "AutoModelForMaskedLM", tmp_path / "roberta")
    with pytest.raises(BadInput, match="roberta cannot do PreTraining"):
        MaskedLM(next_sentence=True).load(Checkpoint(checkpoint=path), path, head)


def test_rows_without_text_alone_make_a_block_that_counts_nothing(tmp_path: Path) -> None:
    for options in ({}, {"next_sentence": True}):
        task, head, model, tokenizer = prepared("bert", tmp_path, **options)
        batch = task.collate(features(task.encode({"text": ["", "\r\n"]}, tokenizer, head)), tokenizer)
        assert task.score(model, batch).weight == 0 and task.loss(model, batch).loss == 0


@pytest.mark.parametrize("next_sentence", ["false", "true"])
def test_from_rows_to_a_trained_model(next_sentence: str, tmp_path: Path) -> None:
    folder = families.with_head("bert", "AutoModelForPreTraining", tmp_path / "bert")
    keys = [
        "model=auto",
        f"model.checkpoint={folder}",
        "task=masked_lm",
        "data=files",
        f"data.train={SAMPLES}",
    ]
    keys += [
        "hardware=cpu",
        "hardware.threads=1",
        "logger=csv",
        "trainer.max_epochs=1",
        "trainer.batch_size=4",
    ]
    keys += ["task.max_length=32", "optimizer.lr=5e-3", f"task.next_sentence={next_sentence}"]
    run = Run.train([*keys, f"paths.outputs={tmp_path / 'outputs'}"])
    assert run.metrics["test/perplexity"] > 1 and 0 <= run.metrics["test/masked_accuracy"] <= 1
    assert ("test/nsp_accuracy" in run.metrics) == (next_sentence == "true")
    again = run.evaluate()
    assert again["test/loss"] == pytest.approx(run.metrics["test/loss"], rel=1e-5)
    (said,) = run.predict(["the [MASK] was 好 😀"])
    assert said["filled"].startswith("the ") and json.dumps(said)


@pytest.mark.slow
def test_masks_go_on_where_a_run_was_interrupted(command: Command, tmp_path: Path) -> None:
    folder = families.with_head("bert", "AutoModelForMaskedLM", tmp_path / "bert")
    keys = [
        "model=auto",
        f"model.checkpoint={folder}",
        "task=masked_lm",
        "data=files",
        f"data.train={SAMPLES}",
    ]
    keys += [
        "hardware=cpu",
        "hardware.threads=1",
        "logger=csv",
        "trainer.max_epochs=40",
        "trainer.batch_size=4",
    ]
    keys += ["task.max_length=32", "callbacks.checkpoint.every_steps=5", "trainer.evaluate_every=80"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    assert command("train", *keys, cwd=whole).returncode == 0
    process = start(cut, *keys)
    end = time.monotonic() + 120
    while not list(cut.glob("outputs/*/*/*/checkpoints/last.ckpt")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    process.terminate()
    assert process.wait(120) == 75
    assert command("train", *keys, "resume=auto", cwd=cut).returncode == 0
    one, other = ((only_run(run) / "model/model.safetensors").read_bytes() for run in (whole, cut))
    assert one == other
