"""Pages on composing: Hydra takes every command of them as it is written, with the files they show."""

import shlex
from pathlib import Path

import pytest

from pipeline.compose.composing import compose
from pipeline.compose.help import render
from pipeline.compose.run_spec import RunSpec, load
from tests.conftest import ROOT
from tests.documents import blocks, write_files

PAGES = [ROOT / f"docs/{name}.md" for name in ("data/mixtures", "data/templates", "strategies")]
COMMANDS = [
    (page, line)
    for page in PAGES
    for block in blocks(page, "bash")
    if not block.mark
    for line in block.text.splitlines()
]


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda value: str(value)[-40:])
def test_commands_compose(page: Path, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_files(page, tmp_path)
    python, flag, module, *words = shlex.split(line)
    assert (python, flag) == ("python", "-m") and module.startswith("pipeline.")
    if words[0] == "--help":
        assert "data.template." in render("train", "python -m pipeline.train", topics=words[1:])
    else:
        assert isinstance(load(compose(words), frozen=True), RunSpec)
