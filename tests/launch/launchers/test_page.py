"""The page about launchers: what it shows is what bash and Hydra read, and keys that there are."""

import re
import shlex

import pytest
from hydra.types import RunMode

from pipeline.compose import locations
from pipeline.compose.composing import compose_hydra, config_loader, listed
from pipeline.compose.help import keys
from pipeline.compose.overrides import for_hydra, parse
from tests.conftest import ROOT
from tests.documents import blocks

PAGE = ROOT / "docs/launchers.md"
LINES = [line for block in blocks(PAGE, "bash") for line in block.text.splitlines() if "pipeline." in line]


def words_of(line: str) -> list[str]:
    """The overrides of a call of train, also within the words of another command."""
    text = line if "--wrap" not in line else shlex.split(line)[-1].partition(";")[0]
    words = shlex.split(text)
    return [word for word in words[words.index("pipeline.train") + 1 :] if word != "-m"]


@pytest.mark.parametrize("line", LINES)
def test_commands_are_understood(line: str) -> None:
    loader = config_loader()
    parsed = parse(words_of(line), loader)
    assert not parsed.problems
    mode = RunMode.MULTIRUN if " -m " in line.partition("pipeline.train")[2] else RunMode.RUN
    compose_hydra(loader, for_hydra(parsed.overrides, listed(loader, parsed.overrides)), mode)


def test_keys_in_the_text_are_keys() -> None:
    launchers = locations.options("hydra/launcher")
    known = {key for file in launchers.values() for _, key, *_ in keys(file.read_text())}
    named = set(re.findall(r"hydra\.launcher\.(\w+)", PAGE.read_text()))
    assert named <= known and {"jobs", "nodes", "num_gpus"} <= named
    assert {name for name in launchers if f"hydra/launcher={name}" in PAGE.read_text()} == set(launchers)
