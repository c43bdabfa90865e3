import io
import tarfile

import pytest

from pipeline.fetch.archives import UnsafeArchiveError, is_archive, unpack
from tests.fetch.fake_index import link, tarball, wheel

OUTSIDE = ["../evil", "a/../../evil", "/evil", "..\\evil", "C:\\evil", "\\\\host\\share\\evil", "C:evil"]


def unpacked(tmp_path, content, name):
    (tmp_path / "archive").write_bytes(content)
    unpack(tmp_path / "archive", tmp_path / "out", name)
    return {
        str(file.relative_to(tmp_path / "out")): file.read_bytes()
        for file in (tmp_path / "out").rglob("*")
        if not file.is_dir()
    }


@pytest.mark.parametrize(("make", "name"), [(wheel, "x.whl"), (tarball, "x.tar.gz")])
def test_files_come_out_as_they_went_in(tmp_path, make, name):
    files = {"a/b.txt": b"1", "c": b"\x00" * 3_000_000, "leer zeichen/ü": b""}
    assert unpacked(tmp_path, make(files), name) == files


@pytest.mark.parametrize("member", OUTSIDE)
@pytest.mark.parametrize(("make", "name"), [(wheel, "x.zip"), (tarball, "x.tar.gz")])
def test_members_outside_are_refused(tmp_path, make, name, member):
    with pytest.raises(UnsafeArchiveError, match="leads outside"):
        unpacked(tmp_path, make({"good": b"1", member: b"evil"}), name)
    assert {file.name for file in tmp_path.rglob("*")} <= {"archive", "out", "good"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../etc/passwd", "nowhere"])
def test_links_out_are_refused(tmp_path, kind, target):
    with pytest.raises(UnsafeArchiveError, match="link to"):
        unpacked(tmp_path, tarball({"good": b"1"}, link("evil", target, kind)), "x.tar.gz")


def test_writing_through_a_link_stays_inside(tmp_path):
    """The attack: a link to a folder outside, then a member below the link."""
    outside = tmp_path / "outside"
    outside.mkdir()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.addfile(link("folder", str(outside)))
        member = tarfile.TarInfo("folder/evil")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(UnsafeArchiveError):
        unpacked(tmp_path, content.getvalue(), "x.tar.gz")
    assert list(outside.iterdir()) == []


def test_links_inside_become_copies(tmp_path):
    content = tarball({"a/real": b"data"}, link("a/soft", "real"), link("hard", "a/real", tarfile.LNKTYPE))
    assert unpacked(tmp_path, content, "x.tar.gz") == {"a/real": b"data", "a/soft": b"data", "hard": b"data"}
    assert not any(file.is_symlink() for file in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_devices_are_refused(tmp_path, kind):
    with pytest.raises(UnsafeArchiveError, match="neither a file"):
        unpacked(tmp_path, tarball({}, link("device", "", kind)), "x.tar")


def test_kinds_are_told_by_name():
    assert [
        name for name in ("a.whl", "a.tar.gz", "A.ZIP", "a.tgz", "a.csv.gz", "a.txt") if is_archive(name)
    ] == [
        "a.whl",
        "a.tar.gz",
        "A.ZIP",
        "a.tgz",
    ]
