"""Which score is better, which of equal ones is kept, and logs cut back to what a checkpoint knew."""

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.trainer.states import TrainerFn

from pipeline import Run
from pipeline.training.checkpoint_callback import CheckpointCallback, better, loss_beside, rewind
from pipeline.training.loggers.csv_files import CsvLogger


@pytest.mark.parametrize(
    ("score", "than", "mode", "expected"),
    [
        (0.5, None, "max", True),
        (0.6, 0.5, "max", True),
        (0.5, 0.5, "max", False),
        (0.4, 0.5, "min", True),
        (float("nan"), None, "max", False),
        (float("nan"), 0.5, "min", False),
    ],
)
def test_better(score: float, than: float | None, mode: str, expected: bool):
    assert better(score, than, mode) is expected


def test_of_equal_scores_the_smallest_loss_is_best(finished: Path):
    scored: dict[int, dict[str, float]] = {}
    with (finished / "logs/csv/metrics.csv").open() as file:
        for row in csv.reader(file):
            if row[1] in ("val/accuracy", "val/loss"):
                scored.setdefault(int(row[0]), {})[row[1]] = float(row[2])
    ranked = sorted(scored, key=lambda step: (-scored[step]["val/accuracy"], scored[step]["val/loss"]))
    assert scored[ranked[0]]["val/accuracy"] == scored[ranked[1]]["val/accuracy"], "there is a tie to break"
    metrics = Run(finished).metrics
    assert metrics["best_step"] == ranked[0]
    assert metrics["val/loss"] == pytest.approx(scored[ranked[0]]["val/loss"], abs=1e-6)


def kept(callback: CheckpointCallback, *scores: tuple[float, float], monitor: str = "val/f1") -> list[int]:
    """Steps whose weights the callback keeps as best, of validations with these (score, loss)."""
    saved: list[int] = []
    for step, (score, loss) in enumerate(scores, 1):
        trainer = SimpleNamespace(
            state=SimpleNamespace(fn=TrainerFn.FITTING),
            sanity_checking=False,
            global_step=step,
            callback_metrics={"val/loss": loss, monitor: score},
            save_checkpoint=lambda path, weights_only, step=step: saved.append(step),
        )
        callback.on_validation_end(trainer, SimpleNamespace())
    return saved


def checkpoints(folder: Path, **changes: str) -> CheckpointCallback:
    settings = {"monitor": "val/f1", "mode": "max", "every_steps": None, "every_seconds": None}
    return CheckpointCallback(folder, **{**settings, **changes})


def test_ties_are_broken_by_the_loss_also_after_a_resume(tmp_path: Path):
    nan = float("nan")
    first = checkpoints(tmp_path)
    assert kept(first, (0.5, 0.3), (0.5, 0.4), (0.5, 0.2), (0.4, 0.1), (0.5, nan)) == [1, 3]
    resumed = checkpoints(tmp_path)
    resumed.load_state_dict(first.state_dict())
    assert kept(resumed, (0.5, 0.25), (0.5, 0.2), (0.5, 0.15), (0.6, 0.9)) == [3, 4]
    assert kept(checkpoints(tmp_path), (0.5, nan), (0.5, 0.9)) == [1, 2]
    by_loss = checkpoints(tmp_path, monitor="val/loss", mode="min")
    assert kept(by_loss, (0.5, 0.5), (0.5, 0.5), (0.4, 0.4), monitor="val/loss") == [1, 3]


def test_the_loss_is_that_of_the_same_split():
    names = ["val/loss", "val/news/loss", "val/f1", "val/news/f1/sport", "train/loss"]
    assert loss_beside("val/news/f1/sport", names) == "val/news/loss"
    assert loss_beside("val/f1/sport", names) == "val/loss"


def test_logs_are_cut_back(tmp_path: Path):
    logger = CsvLogger(tmp_path / "csv")
    logger.log_metrics({"train/loss": 1.0}, 1)
    known = (tmp_path / "csv/metrics.csv").read_bytes()
    torch.save({"logs": {"csv": logger.position()}}, tmp_path / "last.ckpt")
    logger.log_metrics({"train/loss": 0.5}, 2)
    rewind([logger], tmp_path / "last.ckpt")
    assert (tmp_path / "csv/metrics.csv").read_bytes() == known
    rewind([logger], tmp_path / "no.ckpt")
    assert (tmp_path / "csv/metrics.csv").read_bytes() == b""
