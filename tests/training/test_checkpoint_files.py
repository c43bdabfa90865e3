"""Checkpoints are whole or not there, and loading one runs no code."""

import pickle
from pathlib import Path

import pytest
import torch

from pipeline.training.checkpoint_files import WholeFiles


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files, path = WholeFiles(), tmp_path / "checkpoints/last.ckpt"
    files.save_checkpoint({"step": 1, "weights": torch.ones(3)}, path)

    def cut_off(value, file):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", cut_off)
    with pytest.raises(OSError, match="no space"):
        files.save_checkpoint({"step": 2}, path)
    assert files.load_checkpoint(path)["step"] == 1


def test_code_in_a_checkpoint_is_refused(tmp_path: Path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"state": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        WholeFiles().load_checkpoint(tmp_path / "evil.ckpt", weights_only=False)
    assert not (tmp_path / "ran").exists()
