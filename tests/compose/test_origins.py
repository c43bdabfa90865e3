"""Complaints name the file that a key or a default was written in."""

import pytest

from pipeline.compose.composing import compose
from pipeline.compose.origins import builds_on_itself, lines_with
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput

OVERLAY = "# @package _global_\n# Mine.\n"


def problems(*overrides, config_dir=None):
    with pytest.raises(BadInput) as raised:
        load(compose(overrides, config_dir))
    return raised.value.problems


def test_an_option_that_an_experiment_asks_for(here, write):
    write("conf/experiment/e.yaml", OVERLAY + "defaults:\n  - override /strategy: lorra\n")
    (problem,) = problems("experiment=e")
    assert problem.where == "conf/experiment/e.yaml:4" and problem.nearest == "lora"
    write("conf/experiment/e.yaml", OVERLAY + "defaults:\n  - override /logger: [csv, wandbb]\n")
    assert problems("experiment=e")[0].where == "conf/experiment/e.yaml:4"


def test_the_chosen_one_of_two_files_with_the_same_mistake(here, write):
    for name in "ab":
        write(f"conf/experiment/{name}.yaml", OVERLAY + "defaults:\n  - override /strategy: lorra\n")
    assert problems("experiment=b")[0].where == "conf/experiment/b.yaml:4"
    assert list(lines_with("lorra", [])) == ["conf/experiment/a.yaml:4", "conf/experiment/b.yaml:4"]


def test_keys_of_a_file(here, write):
    write("conf/experiment/e.yaml", OVERLAY + "sede: 1\ntrainer:\n  max_epoch: 3\n")
    write("conf/strategy/mine.yaml", "# Mine.\ndefaults: [lora]\nrr: 4\nr: none\n")
    found = {p.where: p for p in problems("experiment=e", "strategy=mine", "optimizer.lrr=1")}
    assert found["sede"].what == "unknown key (conf/experiment/e.yaml:3)" and found["sede"].nearest == "seed"
    assert found["trainer.max_epoch"].what.endswith("(conf/experiment/e.yaml:5)")
    assert found["strategy.rr"].what.endswith("(conf/strategy/mine.yaml:3)")
    assert "'none'" in found["strategy.r"].what and found["strategy.r"].what.endswith("mine.yaml:4)")
    assert found["optimizer.lrr"].what == "unknown key"
    # What was typed is no mistake of the file.
    assert problems("experiment=e", "trainer.max_epoch=1", "+sede=2")[0].what == "unknown key"


@pytest.mark.parametrize("entry", ["default", "/trainer/default"])
def test_a_file_that_builds_on_itself(here, write, entry):
    file = write("conf/trainer/default.yaml", f"# Mine.\ndefaults: [{entry}]\nmax_epochs: 2\n")
    (problem,) = problems()
    assert problem.where == "conf/trainer/default.yaml" and "cannot build on itself" in problem.what
    assert "conf/trainer/mine.yaml with defaults: [default], and trainer=mine" in problem.allowed
    file.rename(file.with_name("mine.yaml"))
    if entry == "default":
        assert compose(["trainer=mine"]).config.trainer.max_epochs == 2
    assert builds_on_itself() is None


def test_files_that_build_on_each_other(here, write):
    write("conf/trainer/a.yaml", "# A.\ndefaults: [b]\n")
    write("conf/trainer/b.yaml", "# B.\ndefaults: [a]\n")
    (problem,) = problems("trainer=a")
    assert "lead back to themselves" in problem.what


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is empty"), ("# Words alone.\n", "is empty"), ("hello\n", "holds 'hello', and no key: value")],
)
def test_a_file_that_sets_nothing(here, write, text, said):
    write("conf/trainer/mine.yaml", text)
    (problem,) = problems("trainer=mine")
    assert (problem.where, problem.what) == ("trainer=mine", f"conf/trainer/mine.yaml {said}")
