"""Two real processes on the CPU compute what one does: the same steps, every evaluated row counted once."""

import csv
import json
from pathlib import Path

import pytest
import torch

from tests.conftest import Command, manifest_of, only_run
from tests.models import families

# Without dropout nothing differs between processes but the order of sums.
KEYS = [
    "strategy=full",
    "strategy.unfreeze_every=6",  # weights that wait for their time, as DDP waits for all
    "callbacks=[default,ema]",
    "model.dropout=0.0",
    "trainer.max_epochs=2",
    "trainer.log_every=1",
]
TWO = ["hardware=ddp", "hardware.accelerator=cpu", "hardware.threads=1"]
# What a step holds, and what of it a process holds at once.
STEPS = {
    "examples": ("trainer.batch_size=16", "hardware.micro_batch={}", (3, 4)),
    "tokens": ("trainer.batch_tokens=300", "hardware.micro_tokens={}", (120, 100)),
}


def rows(run: Path) -> dict[tuple[str, str], float]:
    with (run / "logs/csv/metrics.csv").open() as file:
        return {(row["step"], row["name"]): float(row["value"]) for row in csv.DictReader(file)}


@pytest.mark.slow
@pytest.mark.parametrize("counted", STEPS)
def test_accumulation_and_processes_change_nothing(
    small: list[str], command: Command, tmp_path: Path, counted: str
) -> None:
    step, micro, (three, two) = STEPS[counted]
    variants = {"one": [], "accumulated": [micro.format(three)], "two processes": [*TWO, micro.format(two)]}
    folders = {name: tmp_path / name for name in variants}
    for name, keys in variants.items():
        folders[name].mkdir()
        done = command("train", *small, *KEYS, step, *keys, cwd=folders[name])
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("confusion_matrix") == 1, "the result is shown once"
    one = only_run(folders["one"])
    expected = rows(one)
    weights = torch.load(one / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    for name in ("accumulated", "two processes"):
        run = only_run(folders[name])
        assert manifest_of(run)["id"] == manifest_of(one)["id"], "the machine is no part of what is computed"
        found = rows(run)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            # Two of the 24 rows whose scores are all but equal may change places: one pair of 143 at most.
            close = 1 / 143 if key[1].endswith("auroc") else 2e-5
            assert found[key] == pytest.approx(value, abs=close), (name, key)
        other = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for key, value in weights.items():
            torch.testing.assert_close(other[key], value, atol=1e-4, rtol=1e-3, msg=f"{name} {key}")
        predicted = [json.loads(line) for line in (run / "predictions/test.jsonl").open()]
        assert [row["text"] for row in predicted] == [
            json.loads(line)["text"] for line in (one / "predictions/test.jsonl").open()
        ]
    assert (
        json.loads((only_run(folders["two processes"]) / "manifest.json").read_text())["state"] == "finished"
    )


@pytest.mark.slow
def test_processes_do_not_wait_for_weights_that_no_loss_depends_on(
    small: list[str], command: Command, tmp_path: Path
) -> None:
    xlnet = families.pretrained("xlnet", tmp_path / "xlnet")
    keys = [f"model.checkpoint={xlnet}", "strategy=full", "trainer.batch_size=8", "data.audit=warn"]
    done = command("train", *small, *keys, *TWO)
    assert done.returncode == 0, done.stderr
