"""Runs whose adapters cannot be merged, or start from a part of the weights: saved, reloaded, used, started again."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline import Run
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from pipeline.compose.stages import compose_stages
from pipeline.errors import BadInput
from tests.models import families

STEPS = ["trainer.max_steps=3", "trainer.batch_size=16", "logger=none"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy", [["strategy=adapters"], ["strategy=prefix_tuning", "task.max_length=64"]]
)
def test_a_model_in_two_parts_is_used_as_any_other(
    strategy: list[str], small: list[str], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.train([*small, *STEPS, *strategy, f"paths.outputs={tmp_path}"])
    # In a process without this program.
    assert run.metrics["reload_difference"] < 1e-4
    model = run.folder / "model"
    assert sorted(path.name for path in model.iterdir()) == ["adapter", "base"]
    columns = ["data.columns.text='review body'", "data.columns.label=verdict"]
    scores = run.evaluate(["data=files", f"data.test={reviews}", *columns])
    assert 0 < scores["test/loss"] < 2
    rows = [json.loads(line) for line in (run.folder / "predictions/test.jsonl").read_text().splitlines()][:5]
    for said, row in zip(run.predict([row["text"] for row in rows]), rows, strict=True):
        assert said["label"] == row["prediction"]["label"]
        assert said["scores"] == pytest.approx(row["prediction"]["scores"], abs=1e-4)

    with pytest.raises(BadInput, match="its model is two parts"):
        Run.plan([*small, f"model.checkpoint={run.folder}"])

    card = (run.folder / "README.md").read_text(encoding="utf-8")
    code = card.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(run.folder)
    made: dict[str, object] = {}
    exec(code, made)
    loaded = made["model"]
    first = made["tokenizer"](rows[0]["text"], return_tensors="pt")  # type: ignore[operator]
    with torch.inference_mode():
        chances = loaded(**first).logits.softmax(-1)[0].tolist()  # type: ignore[operator]
    assert chances == pytest.approx(list(rows[0]["prediction"]["scores"].values()), abs=1e-4)


@pytest.mark.slow
def test_a_head_that_the_checkpoint_lacks_is_trained_and_saved(tmp_path: Path) -> None:
    base = families.pretrained("bert", tmp_path / "base")
    words = ["task=masked_lm", "strategy=lora", "model=bert", f"model.checkpoint={base}", "model.sha256=null"]
    rows = Path(__file__).parents[1] / "tasks/samples/masked_lm.jsonl"
    machine = ["hardware=cpu", "hardware.threads=1", "logger=none", "trainer.max_steps=3"]
    run = Run.train(
        [*words, *machine, "data=files", f"data.train={rows}", f"paths.outputs={tmp_path / 'out'}"]
    )
    assert run.metrics["reload_difference"] < 1e-4
    new = "cls.predictions.transform.dense.weight"
    saved = load_file(run.folder / "model/adapter/adapter_model.safetensors")
    size = 32 * 32 + 3 * 32  # Of the transform: a matrix, its bias, and its norm.
    assert sum(weight.numel() for name, weight in saved.items() if ".transform." in name) == size
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert sum(weight.numel() for weight in saved.values()) == manifest["prepared"]["trainable"]
    # The base of the adapter has the head as it began.
    exported = run.export(str(tmp_path / "adapter"), "adapter")
    started = load_file(exported / "base/model.safetensors")[new]
    assert (load_file(run.folder / "model/model.safetensors")[new] - started).abs().max() > 1e-4


@pytest.mark.slow
def test_a_decomposed_start_survives_a_restart(small: list[str], tiny_bert: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    keys = ["strategy=lora", "strategy.init=pissa", "strategy.modules=[query,value]"]
    run = Run.train([*small, *STEPS, *keys, f"paths.outputs={tmp_path}"])
    weights, metrics = (run.folder / "model/model.safetensors").read_bytes(), run.metrics
    # As if it had been killed between training and saving: checkpoints hold A, B and the head alone.
    manifest = run.folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "state": "trained"}))
    shutil.rmtree(run.folder / "model")
    run.resume()
    assert (run.folder / "model/model.safetensors").read_bytes() == weights and run.metrics == metrics

    inputs = AutoTokenizer.from_pretrained(tiny_bert)("a dreadful film", return_tensors="pt")
    base = AutoModelForSequenceClassification.from_pretrained(tiny_bert, num_labels=2, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(base, str(run.folder / "model/adapter")).eval()
    merged = AutoModelForSequenceClassification.from_pretrained(run.folder / "model", dtype=torch.float32)
    torch.testing.assert_close(tuned(**inputs).logits, merged.eval()(**inputs).logits, atol=1e-5, rtol=1e-4)


def test_learned_tokens_take_positions(small: list[str], tmp_path: Path) -> None:
    """Of the 128 that the model has: texts are cut before them, where no length is given."""
    keys = [*small, "strategy=prompt_tuning", f"paths.outputs={tmp_path / 'out'}"]
    assert load(compose(keys)).model.tokenizer(small[1].split("=")[1]).model_max_length == 108
    for fits in ([], ["task.max_length=108"], ["strategy.tokens=100"]):
        assert "steps" in Run.plan([*keys, *fits])
    for too_many, where, allowed in (
        ("task.max_length=109", "task.max_length", "at most 108, or null"),
        # Two texts and three special tokens.
        ("strategy.tokens=124", "strategy.tokens", "at most 123"),
    ):
        with pytest.raises(BadInput) as raised:
            Run.train([*keys, too_many])
        (problem,) = raised.value.problems
        assert (problem.where, problem.allowed) == (where, allowed)
    assert not (tmp_path / "out").exists()


def test_a_long_text_and_learned_tokens_fit(small: list[str], tmp_path: Path) -> None:
    rows = tmp_path / "long.csv"
    lines = [f"{'word ' * 300}{word},{word}" for word in ("good", "bad") * 8]
    rows.write_text("\n".join(["review body,verdict", *lines]))
    outputs = f"paths.outputs={tmp_path}"
    run = Run.train([*small, *STEPS, f"data.train={rows}", "strategy=prompt_tuning", outputs])
    assert run.predict([{"text": "word " * 300}])[0]["label"] in ("good", "bad")


def test_learned_tokens_are_not_packed() -> None:
    keys = ["task=causal_lm", "model=smollm2", "data=python_docs", "strategy=prefix_tuning"]
    with pytest.raises(BadInput) as raised:
        load(compose(keys))
    assert [problem.where for problem in raised.value.problems] == ["task.packing"]
    assert load(compose([*keys, "task.packing=false"])).strategy.virtual_tokens == 20


def test_no_stage_starts_from_two_parts() -> None:
    with pytest.raises(BadInput) as raised:
        compose_stages(compose(["stages=[pretrain,finetune]", "stage.pretrain.strategy=adapters"]))
    (problem,) = raised.value.problems
    assert (
        problem.where == "strategy (stage pretrain)" and "strategy=adapters cannot be merged" in problem.what
    )
    assert compose_stages(compose(["stages=[pretrain,finetune]", "stage.finetune.strategy=adapters"]))
