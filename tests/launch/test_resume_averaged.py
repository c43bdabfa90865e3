"""A run with averaged weights and layers that are yet to be unfrozen, killed and resumed: the same to the bit."""

from pathlib import Path

import pytest
import torch

from tests.conftest import Command, kill, only_run, start
from tests.launch.test_resume import outcome, wait_for

KEYS = [
    "callbacks=[default,ema]",
    "callbacks.checkpoint.every_steps=1",
    "callbacks.progress=null",
    "strategy.layer_decay=0.9",
    "strategy.unfreeze_every=6",  # the embeddings begin with step 19
    "trainer.batch_size=16",
    "hardware.micro_batch=8",
    "trainer.max_epochs=2",  # of 12 steps
    "trainer.evaluate_every=5",
    "trainer.log_every=1",
]


@pytest.mark.slow
def test_killed_with_averages_and_frozen_layers(small: list[str], command: Command, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    done = command("train", *small, *KEYS, cwd=whole)
    assert done.returncode == 0, done.stderr
    process = start(cut, *small, *KEYS)
    # The averages have been in the place of the weights once.
    wait_for(lambda: list(cut.glob("outputs/*/*/*/checkpoints/best.ckpt")), process)
    kill(cut, process)
    killed_at = last(only_run(cut))["global_step"]
    assert 0 < killed_at < 24
    done = command("train", *small, *KEYS, "resume=auto", cwd=cut)
    assert done.returncode == 0, done.stderr
    one, other = only_run(whole), only_run(cut)
    assert outcome(other) == outcome(one), f"killed at step {killed_at}"
    averages, resumed = (last(run)["callbacks"]["Averaging"] for run in (one, other))
    assert averages["count"] == resumed["count"] == 24
    weights = last(one)["state_dict"]
    assert averages["averaged"].keys() == weights.keys() - {
        name for name in weights if name.endswith("position_ids")
    }
    for name, value in averages["averaged"].items():
        assert torch.equal(value, resumed["averaged"][name]), name
    head = "model.classifier.weight"
    assert not torch.equal(averages["averaged"][head], weights[head])


def last(run: Path) -> dict:
    return torch.load(run / "checkpoints/last.ckpt", map_location="cpu", weights_only=True)
