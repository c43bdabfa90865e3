"""The launcher of a sweep is chosen like any option, and what it cannot do is said before anything is frozen."""

import importlib.util

import pytest
import yaml
from hydra.types import RunMode

from pipeline.compose import locations
from pipeline.compose.composing import compose_hydra, config_loader, listed
from pipeline.compose.launching import launcher_problems
from pipeline.compose.overrides import for_hydra, parse
from pipeline.compose.words import fields_of
from pipeline.errors import BadInput
from pipeline.launch.launchers import local, packages


@pytest.fixture(autouse=True)
def offline(here, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(local, "usable_gpus", lambda: [])
    monkeypatch.setattr(local, "usable_cpus", lambda: 2)


def composed(*overrides):
    loader = config_loader()
    parsed = parse(overrides, loader)
    if parsed.problems:
        raise BadInput(parsed.problems)
    settings = for_hydra(parsed.overrides, listed(loader, parsed.overrides))
    return compose_hydra(loader, settings, RunMode.MULTIRUN)


def problems(*overrides):
    return [str(problem) for problem in launcher_problems(composed("seed=0,1", *overrides))]


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_nothing_is_wrong(launcher):
    assert problems(f"hydra/launcher={launcher}", "hardware=cpu") == []


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("hydra.launcher.gpus_per_job=2",), "hydra.launcher.gpus_per_job: asks for 2 GPUs a job"),
        (("hydra.launcher.jobs=3", "hardware=cpu"), "too many for 2 cores"),
        (("hydra.launcher.jobs=many",), "hydra.launcher.jobs: 'many' is not allowed"),
        (("hydra.launcher.jobs=0",), "hydra.launcher.jobs: 0 is not allowed"),
    ],
)
def test_what_it_cannot_do_is_said(overrides, words):
    (problem,) = problems("hydra/launcher=local", *overrides)
    assert words in problem


@pytest.mark.parametrize(
    ("launcher", "package", "extra"), [("submitit_slurm", "submitit", "slurm"), ("ray", "ray", "ray")]
)
def test_a_package_that_is_missing(monkeypatch, launcher, package, extra):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    found = problems(f"hydra/launcher={launcher}")
    assert f"needs the package {package}" in found[0] and f"pip install 'hydratune[{extra}]'" in found[0]


def test_an_unknown_launcher_is_told_with_the_nearest_name():
    with pytest.raises(BadInput, match="did you mean: submitit_slurm"):
        composed("hydra/launcher=submitit_slurmm")
    with pytest.raises(BadInput, match=r"hydra\.launcher\.jbos"):
        composed("hydra/launcher=local", "hydra.launcher.jbos=2")


@pytest.mark.parametrize("name", ["local", "ray", "submitit_slurm"])
def test_a_file_sets_what_the_component_has(name):
    """To the component's own defaults, or their interpolated forms, which both are described in one place."""
    from hydra.core.plugins import Plugins

    values = yaml.safe_load(locations.options("hydra/launcher")[name].read_text())
    target = composed(f"hydra/launcher={name}").hydra.launcher._target_
    component = Plugins.instance().class_name_to_class[target].component()
    assert values.pop("_target_") == target and set(values) == set(fields_of(component))
    defaults = component()
    plain = {key: value for key, value in values.items() if "$" not in str(value)}
    assert plain == {key: getattr(defaults, key) for key in plain}


@pytest.mark.parametrize("own", [False, True])
def test_an_experiment_chooses_the_launcher(write, monkeypatch, own):
    """From the user's own folder, with settings of its own, which the command line changes."""
    assert importlib.util.find_spec("submitit"), "without it there is nothing to choose"
    write(
        "conf/experiment/cluster.yaml",
        "# @package _global_\n# Many seeds.\ndefaults:\n  - override /hydra/launcher: submitit_slurm\n"
        "hydra:\n  launcher:\n    partition: long\n    timeout_min: 90\n",
    )
    more = ["hydra.launcher.timeout_min=30"] if own else []
    launcher = composed("experiment=cluster", "seed=0,1", *more).hydra.launcher
    assert launcher._target_ == "hydra_plugins.hydratune.slurm_launcher.SlurmLauncher"
    assert (launcher.partition, launcher.timeout_min) == ("long", 30 if own else 90)
