"""What a row of a txt file is, whatever its line ends."""

from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.sources.files import Files

TEXT = "first 电影\nsecond\n\n \nthird 😀\n\nمرحبا\n"
EXPECTED = {
    "lines": ["first 电影", "second", "", " ", "third 😀", "", "مرحبا"],
    "paragraphs": ["first 电影\nsecond", "third 😀", "مرحبا"],
    "file": ["first 电影\nsecond\n\n \nthird 😀\n\nمرحبا"],
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("rows", EXPECTED)
def test_rows(rows: str, start: str, ends: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes((start + TEXT.replace("\n", ends)).encode())
    assert Files(train=str(path), txt_rows=rows).load()["train"]["text"][:] == EXPECTED[rows]


def test_what_a_row_is_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    assert len({Files(train=str(path), txt_rows=rows).fingerprint() for rows in EXPECTED}) == 3


@pytest.mark.parametrize("rows", EXPECTED)
def test_an_empty_file_has_no_rows(rows: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n\n" if rows == "paragraphs" else "", encoding="utf-8")
    with pytest.raises(BadInput, match="there are no rows in it"):
        Files(train=str(path), txt_rows=rows).load()
