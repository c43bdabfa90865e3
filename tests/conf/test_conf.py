"""Every shipped yaml composes and is valid; their number is asserted so that none is silently left out."""

from pathlib import Path

import pytest
import yaml

from pipeline.compose import locations
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import GROUPS, RunSpec, load
from pipeline.compose.words import fields_of

CONF = Path(__file__).parents[2] / "conf"
FILES = sorted(file for file in CONF.rglob("*.yaml") if file.parent != CONF)
EXPECTED = {
    "callbacks": 8,
    "data": 10,
    "data/template": 7,
    "debug": 4,
    "experiment": 3,
    "hardware": 5,
    "hydra/launcher": 3,
    "logger": 5,
    "model": 21,
    "optimizer": 3,
    "paths": 1,
    "scheduler": 4,
    "stage": 5,
    "strategy": 11,
    "sweep": 4,
    "task": 13,
    "trainer": 1,
}
# Those of a run; launchers are Hydra's (tests/compose/test_launching.py).
OF_A_RUN = [file for file in FILES if file.parent.parent.name != "hydra"]
# What an option leaves to the user, as anyone would give it.
REQUIRED = {
    "data=files": ["data.train=reviews.csv"],
    "data=hub": ["data.dataset=org/name"],
    "data=mixture": [f"+data@data.sources.{name}=movie_snippets" for name in "ab"],
    "model=auto": ["model.checkpoint=org/name"],
}


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")


def test_no_file_is_left_out():
    found = {group: len(locations.options(group)) for group in locations.groups()}
    assert found == EXPECTED and sum(found.values()) == len(FILES)
    assert {group for group in found if "/" not in group} == set(GROUPS)


def group_of(file: Path) -> str:
    return file.parent.relative_to(CONF).as_posix()


def choice(file: Path) -> str:
    return f"{group_of(file)}={file.stem}"


@pytest.mark.parametrize("file", OF_A_RUN, ids=choice)
def test_composes_and_is_valid(file):
    spec = load(compose([choice(file), *REQUIRED.get(choice(file), [])]), frozen=True)
    assert isinstance(spec, RunSpec)
    assert file.stem in str(spec.choices[group_of(file)])


@pytest.mark.parametrize("chosen", ["data=hub", "model=auto"])
def test_what_is_left_to_the_user_is_asked_for(chosen):
    from pipeline.errors import BadInput

    key = REQUIRED[chosen][0].partition("=")[0]
    with pytest.raises(BadInput) as raised:
        load(compose([chosen]))
    assert [(p.where, p.what) for p in raised.value.problems] == [(key, "must be set")]


@pytest.mark.parametrize("file", FILES, ids=choice)
def test_begins_with_a_description(file):
    first, second = [*file.read_text(encoding="utf-8").splitlines(), "", ""][:2]
    line = second if first.startswith("# @package") else first
    assert line.startswith("# ") and line.endswith("."), f"{file}: {line}"


@pytest.mark.parametrize(
    "file", [file for file in OF_A_RUN if "_target_" in (yaml.safe_load(file.read_text()) or {})]
)
def test_written_values_are_keys_of_the_component(file):
    written = yaml.safe_load(file.read_text())
    chosen = f"{file.parent.name}={file.stem}"
    spec = load(compose([chosen, *REQUIRED.get(chosen, [])]), frozen=True)
    part = getattr(spec, file.parent.name)
    assert set(written) - {"_target_", "defaults"} <= set(fields_of(type(part)))
