"""Which score is better, and logs cut back to what a checkpoint knew."""

from pathlib import Path

import pytest
import torch

from pipeline.training.checkpoint_callback import better, rewind
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
