"""Where runs may be written is known before anything is prepared for them."""

import os
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.runs.paths import Paths


def test_folders_that_are_there_or_can_be_made(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for outputs in ("outputs", "a/b/c", str(tmp_path), str(tmp_path / "new")):
        Paths(outputs=outputs).check()
    assert list(tmp_path.iterdir()) == []


def test_below_a_file(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    for outputs in (file, file / "below"):
        with pytest.raises(BadInput, match=f"paths.outputs: {file} is a file"):
            Paths(outputs=str(outputs)).check()


def test_in_a_folder_of_someone_else(tmp_path: Path, monkeypatch):
    # Nothing is closed to root, which tests may be.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(BadInput, match="may not be written to"):
        Paths(outputs=str(tmp_path / "a/b")).check()
