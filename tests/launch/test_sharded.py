"""A model that is cut over two real processes (FSDP2, gloo) is trained, scored and saved as one that is not."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline import Run
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput
from tests.launch.in_processes import frozen, work_in_two
from tests.launch.trouble import trouble
from tests.models import families

# A norm that every step is clipped to, micro-batches, and rows that do not divide.
KEYS = [
    "hardware.accelerator=cpu",
    "hardware.threads=1",
    "hardware.micro_batch=3",
    "model.dropout=0.0",
    "trainer.batch_size=10",
    "trainer.max_steps=4",
    "trainer.gradient_clip=0.05",
    "trainer.evaluation_batch_size=3",
    "trainer.log_every=1",
    "trainer.evaluate_first=true",
    "logger=csv",
]
TWO = ["hardware=fsdp", "hardware.devices=2"]
UNEVEN = ["data.split.validation=0.055", "data.split.test=0.0625"]


def texts(task: str, family: str, head: str, folder: Path) -> list[str]:
    """Words of a run on made-up texts, with a small model of a family."""
    draw, rows = random.Random(0), []
    for number in range(64):
        words = draw.choices(families.WORDS, k=draw.randint(5, 12))
        rows.append({"text": f"{' '.join(words)} {number}", "target": " ".join(words[:3])})
    data = folder / f"{task}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    checkpoint = families.with_head(family, head, folder / family)
    return [
        f"task={task}", "model=auto", f"model.checkpoint={checkpoint}", "data=files", f"data.train={data}",
    ]  # fmt: skip


def cases(small: list[str], folder: Path) -> dict[str, list[str]]:
    gpt2 = texts("causal_lm", "gpt2", "AutoModelForCausalLM", folder)
    t5 = texts("summarization", "t5", "AutoModelForSeq2SeqLM", folder)
    # 7 rows are 2 batches for one process and 1 for the other.
    odd = ["data.split.validation=0.11", "data.split.test=0.08"]
    writing = ["task.generation.max_new_tokens=6", "task.generation.min_new_tokens=2", *odd]
    return {
        # Adam would not notice how long a gradient is.
        "full": [
            *small,
            "strategy=full",
            "strategy.head_rate=10",
            "optimizer=sgd",
            "optimizer.lr=1.0",
            *UNEVEN,
        ],
        "lora": [*small, "strategy=lora", "strategy.dropout=0.0", "hardware.recompute=true"],
        "tied": [*gpt2, "task.packing=false"],
        "written": [*t5, *writing, "data.columns={source:text,target:target}"],
    }


def checkpoint(run: Run, name: str = "last") -> dict[str, Any]:
    return torch.load(run.directory.checkpoints / f"{name}.ckpt", weights_only=True)


@pytest.mark.slow
def test_cut_as_whole(small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRATUNE_TRUST", "tests.launch.trouble")
    given = cases(small, tmp_path)
    more = {
        "lower": [*given["full"], "hardware.precision=bf16"],
        "stopped": [
            *given["full"],
            "callbacks.checkpoint.every_steps=2",
            *trouble("stop", rank=None, step=2),
        ],
    }
    folders = {
        name: frozen(*keys, *KEYS, *TWO, f"paths.outputs={tmp_path / name}")
        for name, keys in {**given, **more}.items()
    }
    untrained = [*given["written"], *KEYS, "train=false"]
    ddp = [*untrained, "hardware=ddp", "hardware.devices=2", f"paths.outputs={tmp_path / 'ddp'}"]
    folders["untrained"] = frozen(*ddp)
    work_in_two([*folders.values(), folders["stopped"]])
    two = {name: Run(folder) for name, folder in folders.items()}
    assert {run.state for run in two.values()} == {"finished"}
    for name, keys in given.items():
        one = Run.train([*keys, *KEYS, "hardware=cpu", f"paths.outputs={tmp_path / 'one' / name}"])
        assert_same(name, two[name], one)
    # Every row once, to the last bits of its sums.
    assert two["untrained"].manifest["prepared"]["rows"]["validation"] == 7
    one = Run.train([*untrained, "hardware=cpu", f"paths.outputs={tmp_path / 'one' / 'untrained'}"])
    for metric, value in one.metrics.items():
        if metric.startswith(("val/", "test/")):
            assert two["untrained"].metrics[metric] == pytest.approx(value, abs=1e-6), metric
    assert two["lower"].metrics["val/loss"] == pytest.approx(two["full"].metrics["val/loss"], abs=0.01)
    weights = checkpoint(two["lower"])["state_dict"]
    assert all(value.dtype == torch.float32 for value in weights.values() if value.is_floating_point())
    # Stopped after two steps and continued: to the bit.
    assert two["stopped"].manifest["starts"] == 2
    again, whole = checkpoint(two["stopped"]), checkpoint(two["full"])
    assert again["global_step"] == whole["global_step"] == 4
    for key, value in whole["state_dict"].items():
        assert torch.equal(again["state_dict"][key], value), key


def assert_same(name: str, two: Run, one: Run) -> None:
    """Metrics, weights and optimizer state in the checkpoint to go on from, its size, the saved model, predictions."""
    assert two.manifest["id"] == one.manifest["id"]
    for metric, value in one.metrics.items():
        if metric.startswith(("val/", "test/")):
            assert two.metrics[metric] == pytest.approx(value, abs=1e-5), (name, metric)
    found, expected = checkpoint(two), checkpoint(one)
    assert found["state_dict"].keys() == expected["state_dict"].keys()
    for key, value in expected["state_dict"].items():
        torch.testing.assert_close(found["state_dict"][key], value, atol=1e-5, rtol=0, msg=f"{name} {key}")
    states = [each["optimizer_states"][0]["state"] for each in (found, expected)]
    assert states[0].keys() == states[1].keys()
    for number, state in states[1].items():
        for key, value in state.items():
            torch.testing.assert_close(states[0][number][key], value, atol=1e-6, rtol=1e-3)
    sizes = [(run.directory.checkpoints / "best.ckpt").stat().st_size for run in (two, one)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02), "what is tied is written once"
    saved = [load_file(run.directory.model / "model.safetensors") for run in (two, one)]
    for key, value in saved[1].items():
        torch.testing.assert_close(saved[0][key], value, atol=1e-5, rtol=0, msg=f"{name} {key}")
    said = [(run.directory.predictions / "test.jsonl").read_text() for run in (two, one) if name == "written"]
    assert len(set(said)) <= 1


@pytest.mark.parametrize(
    ("words", "where", "said"),
    [
        (["callbacks=[default,ema]"], "callbacks", "ema averages whole weights"),
        (["optimizer=adafactor"], "optimizer", "optimizer=adafactor needs whole weights"),
        (["hardware.precision=16"], "hardware.precision", "16 does not go with"),
        (["strategy=qlora"], "strategy", "strategy=qlora needs whole weights"),
        (["data.augmentation.mixup=0.4"], "data.augmentation.mixup", "mixup reads the embedding by itself"),
        (["hardware.nodes=2"], "hardware.rendezvous", "2 machines have to meet somewhere"),
    ],
)
def test_what_cannot_be_cut_is_refused(words: list[str], where: str, said: str) -> None:
    with pytest.raises(BadInput) as raised:
        load(compose(["hardware=fsdp", *words]))
    found = {problem.where: problem.what for problem in raised.value.problems}
    assert said in found[where]
    assert not [p for p in raised.value.problems if p.where == where and not p.allowed]
