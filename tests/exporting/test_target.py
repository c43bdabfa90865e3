"""A folder that is whole or not there."""

from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.exporting.target import appearing, check_target


def test_it_appears_whole_with_the_folders_around_it(tmp_path: Path):
    target = check_target(str(tmp_path / "new/model"))
    with appearing(target) as folder:
        (folder / "weights").write_text("1")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["weights"]
    assert [path.name for path in target.parent.iterdir()] == ["model"]


def test_nothing_is_left_where_writing_fails(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), appearing(check_target(str(tmp_path / "new/model"))) as folder:
        (folder / "weights").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_a_full_one_refused(tmp_path: Path):
    with appearing(check_target(str(tmp_path))) as folder:
        (folder / "weights").write_text("1")
    with pytest.raises(BadInput, match="is not empty"):
        check_target(str(tmp_path))
    with pytest.raises(BadInput, match="is a file"):
        check_target(str(tmp_path / "weights"))
    with pytest.raises(BadInput, match="where to"):
        check_target(None)


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written to"), appearing(tmp_path / "file/model"):
        raise AssertionError
