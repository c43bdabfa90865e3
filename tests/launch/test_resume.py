"""A run killed at any moment and resumed ends as if it had not been killed: to the bit, on a CPU."""

import hashlib
import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from pipeline import Run
from pipeline.errors import BadInput, Interrupted
from pipeline.launch import finish
from tests.conftest import Command, kill, manifest_of, only_run, start
from tests.launch.trouble import trouble

KEYS = [
    "optimizer.lazy_embedding=true",  # whose rows are behind in a checkpoint
    "strategy=full",
    "trainer.batch_size=16",
    "hardware.micro_batch=4",  # accumulation 4
    "hardware.workers=2",
    "trainer.max_epochs=4",
    "trainer.evaluate_every=7",  # now and then in the middle of an epoch
    "trainer.log_every=1",
    "callbacks.checkpoint.every_steps=2",
]


def outcome(run: Path) -> dict[str, str]:
    """Hashes of everything that must not depend on interruptions."""
    last = torch.load(run / "checkpoints/last.ckpt", map_location="cpu", weights_only=True)
    tensors = {f"weights {name}": value for name, value in last["state_dict"].items()}
    for number, state in last["optimizer_states"][0]["state"].items():
        tensors |= {f"optimizer {number} {name}": value for name, value in state.items()}
    found = {name: hashlib.sha256(value.numpy().tobytes()).hexdigest() for name, value in tensors.items()}
    for file in ("logs/csv/metrics.csv", "predictions/test.jsonl", "metrics.json", "model/model.safetensors"):
        found[file] = hashlib.sha256((run / file).read_bytes()).hexdigest()
    return found


def wait_for(condition, process: subprocess.Popen, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"the run ended by itself:\n{process.stderr.read()}"
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


@pytest.mark.slow
def test_killed_at_random_moments_ends_bit_identical(
    small: list[str], command: Command, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    done = command("train", *small, *KEYS, cwd=whole)
    assert done.returncode == 0, done.stderr
    draw, kills, steps = random.Random(), [], []
    for _ in range(4):
        process = start(cut, *small, *KEYS, "resume=auto")
        before = [p.stat().st_mtime_ns for p in cut.glob("outputs/*/*/*/checkpoints/last.ckpt")]
        wait_for(
            lambda: [p.stat().st_mtime_ns for p in cut.glob("outputs/*/*/*/checkpoints/last.ckpt")] != before,  # noqa: B023
            process,
        )
        delay = draw.uniform(0, 0.7)
        time.sleep(delay)
        kills.append(delay)
        kill(cut, process)
        run = only_run(cut)
        if manifest_of(run)["state"] != "running":
            break
        steps.append(torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"])
    done = command("train", *small, *KEYS, "resume=auto", cwd=cut)
    assert done.returncode == 0, done.stderr
    run = only_run(cut)
    assert manifest_of(run)["starts"] >= 2
    assert any(step % 11 for step in steps), f"no kill fell inside an epoch: {steps}"
    assert outcome(run) == outcome(only_run(whole)), f"killed after {kills}, at steps {steps}"


@pytest.mark.slow
def test_asked_to_stop_leaves_a_checkpoint_and_code_75(
    small: list[str], command: Command, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    keys = [*small, "trainer.max_epochs=12", "trainer.log_every=1", "callbacks.checkpoint.every_minutes=null"]
    process = start(cut, *keys)
    log = lambda: [p for p in cut.glob("outputs/*/*/*/logs/csv/metrics.csv") if p.stat().st_size > 200]  # noqa: E731
    wait_for(log, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75
    run = only_run(cut)
    assert manifest_of(run)["state"] == "interrupted"
    assert (run / "checkpoints/last.ckpt").exists()
    assert "attention: sdpa" in (run / "resolved.yaml").read_text()
    done = command("train", f"resume={run}", cwd=cut)
    assert done.returncode == 0, done.stderr
    assert command("train", *keys, cwd=whole).returncode == 0
    assert outcome(run) == outcome(only_run(whole))


def test_what_would_change_the_result_is_refused(small: list[str], command: Command, tmp_path: Path) -> None:
    keys = [*small, "debug=fast"]
    assert command("train", *keys).returncode == 0
    run = only_run(tmp_path)
    finished = command("train", f"resume={run}")
    assert finished.returncode == 2 and "has finished" in finished.stderr
    manifest = {**manifest_of(run), "state": "interrupted"}
    (run / "manifest.json").write_text(json.dumps(manifest))
    other = command("train", *keys, "optimizer.lr=0.5", f"resume={run}")
    assert other.returncode == 2
    assert "optimizer.lr" in other.stderr and "0.5" in other.stderr and "trainer.max_epochs" in other.stderr


def steps_of(run: Path, metric: str) -> list[int]:
    lines = (run / "logs/csv/metrics.csv").read_text().splitlines()
    return [int(line.split(",")[0]) for line in lines if f",{metric}," in line]


def cut_at_the_end(keys: list[str], tmp_path: Path) -> Path:
    """A run whose training is over and that could not be saved."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finish, "_save_and_verify", full)
        with pytest.raises(OSError, match="No space left"):
            Run.train([*keys, f"paths.outputs={tmp_path / 'cut'}"])
    (manifest,) = (tmp_path / "cut").glob("*/*/*/manifest.json")
    return manifest.parent


@pytest.mark.parametrize("state", ["failed", "interrupted", "trained"])
def test_what_follows_training_is_all_that_is_resumed_after_it(
    state: str, small: list[str], tmp_path: Path
) -> None:
    """Also of one that stopped early, which has steps left."""
    keys = [
        *small,
        "optimizer.lr=1e-9",
        "trainer.batch_size=48",
        "trainer.max_epochs=9",
        "trainer.log_every=1",
        "callbacks.early_stopping.patience=1",
    ]
    run = cut_at_the_end(keys, tmp_path)
    manifest = manifest_of(run)
    assert manifest["state"] == "failed" and manifest["trained"]["step"] == steps_of(run, "train/loss")[-1]
    if state == "trained":
        del manifest["trained"]  # as runs were that older versions left
    (run / "manifest.json").write_text(json.dumps({**manifest, "state": state}))
    with pytest.raises(
        BadInput, match=r"trainer\.max_epochs: is 12, but .* only testing and saving are left"
    ):
        Run.train([f"resume={run}", "trainer.max_epochs=12"])
    assert Run.train([f"resume={run}"]).state == "finished"
    whole = Run.train([*keys, f"paths.outputs={tmp_path / 'whole'}"]).folder
    assert steps_of(run, "test/loss") == [steps_of(run, "train/loss")[-1]]
    assert outcome(run) == outcome(whole)


def test_validation_every_few_steps_goes_on_where_it_was(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the last step of an epoch has fewer micro-batches than the others."""
    monkeypatch.setenv("HYDRATUNE_TRUST", "tests.launch.trouble")
    keys = [
        *small,
        "trainer.batch_size=80",
        "hardware.micro_batch=16",
        "trainer.max_epochs=4",
        "trainer.evaluate_every=2",
        "trainer.log_every=1",
        "callbacks.checkpoint.every_steps=1",
    ]
    whole = Run.train([*keys, f"paths.outputs={tmp_path / 'whole'}"]).folder
    progress = torch.load(whole / "checkpoints/last.ckpt", weights_only=True)["loops"]["fit_loop"]
    batches = progress["epoch_loop.batch_progress"]["total"]["completed"]
    steps = steps_of(whole, "train/loss")[-1]
    assert batches < 5 * steps, "every step has all its micro-batches"
    assert steps_of(whole, "val/loss") == list(range(2, steps + 1, 2))
    with pytest.raises(Interrupted):
        Run.train([*keys, *trouble("stop", rank=0, step=4), f"paths.outputs={tmp_path / 'cut'}"])
    (manifest,) = (tmp_path / "cut").glob("*/*/*/manifest.json")
    checkpoint = torch.load(manifest.parent / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 4, "it has validated, in the middle of an epoch"
    Run.train([f"resume={manifest.parent}"])
    assert outcome(manifest.parent) == outcome(whole)
