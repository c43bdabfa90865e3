"""The real Hydra machinery and BasicLauncher; freezing, which needs data, is stood in for."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.compose.command_line import Call
from pipeline.compose.multirun import run_multirun
from pipeline.errors import BadInput, Interrupted
from pipeline.launch.sweeps import freezing as sweep


@dataclass
class Run:
    folder: Path


@dataclass
class Frozen:
    folder: Path
    runs: list[Run]

    @property
    def pending(self) -> list[Run]:
        return [run for run in self.runs if "finished" not in run.folder.name]


@pytest.fixture
def frozen(here, monkeypatch):
    """What was frozen: (spec, files, overrides) of each job."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    seen = []

    def freeze_all(jobs):
        seen.extend(jobs)
        return Frozen(
            here / "the sweep",
            [Run(here / f"the sweep/{spec.name}, it's {spec.seed}") for spec, _, _ in jobs],
        )

    monkeypatch.setattr(sweep, "freeze_all", freeze_all)
    monkeypatch.setattr(sweep, "summarise", lambda frozen: f"{len(frozen.runs)} jobs")
    return seen


def call(*overrides, config_dir=None):
    return Call("train", overrides, multirun=True, config_dir=config_dir)


def test_every_job_is_checked_frozen_and_run_from_its_directory(here, frozen):
    ran = []

    def task(config):
        ran.append(config.run)
        if "seed-1" in config.run or config.run.endswith("1"):
            raise ValueError("a job that fails")

    assert run_multirun(call("seed=1,2", "name=job,finished", "+trainer.max_steps=3"), task) == "4 jobs"
    assert [(spec.seed, spec.name, spec.trainer.max_steps) for spec, _, _ in frozen] == [
        (1, "job", 3),
        (1, "finished", 3),
        (2, "job", 3),
        (2, "finished", 3),
    ]
    # The failing first job did not end the second; what is finished is not run again.
    assert ran == [str(here / "the sweep/job, it's 1"), str(here / "the sweep/job, it's 2")]
    assert set(frozen[0][1]) == {"config.yaml", "overrides.yaml"} and "seed=1" in frozen[0][2]
    assert sorted(path.name for path in here.iterdir()) == ["the sweep"]


def test_a_user_folder_given_by_flag_reaches_the_jobs(here, write, frozen):
    write("more/trainer/short.yaml", "# Short.\ndefaults: [default]\nmax_steps: 1\n")
    run_multirun(call("trainer=short", "seed=1,2", config_dir="more"), lambda config: None)
    assert [spec.trainer.max_steps for spec, _, _ in frozen] == [1, 1]


def test_sweep_parameters_of_a_configuration(here, write, frozen):
    write(
        "conf/experiment/grid.yaml",
        "# @package _global_\n# A grid.\n"
        "hydra:\n  sweeper:\n    params:\n      seed: 1,2\n      strategy: lora,full\n",
    )
    run_multirun(call("experiment=grid"), lambda config: None)
    assert [(spec.seed, spec.choices["strategy"]) for spec, _, _ in frozen] == [
        (1, "lora"),
        (1, "full"),
        (2, "lora"),
        (2, "full"),
    ]


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (("seed=1,x,-1",), ["seed", "seed"]),
        (("seed=1,2", "strategy=lora,ful", "trainer.foo=1"), ["strategy", "trainer.foo"]),
        (("seed=1,2", "hydra/sweeper=basic"), ["hydra/sweeper"]),
        (("seed=1,2", "hydra/launcher=none_such"), ["hydra/launcher"]),
        (("seed=1,2", "+hydra.callbacks.x._target_=os.system"), ["hydra.callbacks"]),
        (("optimizer.lr=interval(0,1)",), ["optimizer.lr"]),
    ],
)
def test_nothing_is_frozen_where_anything_is_wrong(here, frozen, overrides, where):
    with pytest.raises(BadInput) as raised:
        run_multirun(call(*overrides), lambda config: None)
    assert [problem.where for problem in raised.value.problems] == where
    assert not frozen and not list(here.iterdir())


def test_a_stop_ends_the_sweep(here, frozen):
    ran = []

    def task(config):
        ran.append(config.run)
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        run_multirun(call("seed=1,2,3"), task)
    assert len(ran) == 1
