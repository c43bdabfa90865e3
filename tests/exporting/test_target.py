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


@pytest.mark.parametrize("there", [True, False])
def test_a_link_leads_to_the_folder_that_is_written(there: bool, tmp_path: Path):
    if there:
        (tmp_path / "model").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "model")
    with appearing(check_target(str(tmp_path / "link"))) as folder:
        (folder / "weights").write_text("1")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "model/weights").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "model"]


def test_dots_in_a_name_are_followed(tmp_path: Path):
    with appearing(check_target(str(tmp_path / "new/../model"))) as folder:
        (folder / "weights").write_text("1")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_where_no_folder_can_be_put(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for output in ("~nobodyatall/x", str(tmp_path / "round/x")):
        with pytest.raises(BadInput, match="is no path"):
            check_target(output)
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path / "disk")
    (tmp_path / "disk").mkdir()
    with pytest.raises(BadInput, match="a folder inside of it"):
        check_target(str(tmp_path / "disk"))
    assert check_target(str(tmp_path / "disk/model")) == tmp_path / "disk/model"
