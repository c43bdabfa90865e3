"""`best/` leads to the run that won."""

from pathlib import Path

import pytest

from pipeline.reporting.best_link import point_to, remove


def test_it_is_a_relative_link_that_is_replaced(tmp_path: Path):
    for name in ("a1", "b2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "which").write_text(name)
        point_to(tmp_path, name)
        assert (tmp_path / "best/which").read_text() == name
    assert not (tmp_path / "best").readlink().is_absolute()
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert (moved / "best/which").read_text() == "b2"
    assert sorted(path.name for path in moved.iterdir()) == ["a1", "b2", "best"]
    remove(moved)
    assert not (moved / "best").exists() and (moved / "b2").is_dir()
    remove(moved)


def test_a_text_file_names_it_where_links_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(*_: object, **__: object) -> None:
        raise OSError("a privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refused)
    point_to(tmp_path, "a1")
    point_to(tmp_path, "b2")
    assert (tmp_path / "best").read_text() == "b2\n"
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
    monkeypatch.undo()
    point_to(tmp_path, "a1")
    assert (tmp_path / "best").is_symlink()
