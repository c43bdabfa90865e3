"""The real Hydra machinery and BasicLauncher; freezing, which needs data, is stood in for."""

from types import SimpleNamespace

import pytest

from pipeline.compose.command_line import Call
from pipeline.compose.multirun import run_multirun
from pipeline.errors import BadInput, Interrupted
from pipeline.launch.sweeps import listed
from pipeline.runs.directory import create


@pytest.fixture
def frozen(here, monkeypatch):
    """The jobs that were frozen."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    seen = []

    def ready(jobs):
        schedule = SimpleNamespace(monitor=None, mode="max")
        return [SimpleNamespace(spec=job.spec, prepared=None, schedule=schedule) for job in jobs]

    def freeze_job(job, ready, folder):
        seen.append(job)
        name = f"{job.spec.name}, it's {job.spec.seed}"
        state = {"state": "finished"} if job.spec.name == "finished" else {}
        return create(here / "the sweep", name, dict(job.files), {"id": name, **state})

    monkeypatch.setattr(listed, "get_all_ready", ready)
    monkeypatch.setattr(listed, "run_id", lambda spec, prepared: f"{spec.name} {spec.seed}")
    monkeypatch.setattr(listed, "grid_folder", lambda specs, ids: here / "the sweep")
    monkeypatch.setattr(listed, "freeze_job", freeze_job)
    return seen


def call(*overrides, config_dir=None):
    return Call("train", overrides, multirun=True, config_dir=config_dir)


def test_every_job_is_checked_frozen_and_run_from_its_directory(here, frozen):
    ran = []

    def task(config):
        ran.append(config.run)
        if "seed-1" in config.run or config.run.endswith("1"):
            raise ValueError("a job that fails")

    words = ("seed=1,2", "name=job,finished", "+trainer.max_steps=3", "sweep.retries=0", "logger=none")
    assert len(run_multirun(call(*words), task).rows) == 4
    specs = [job.spec for job in frozen]
    assert [(spec.seed, spec.name, spec.trainer.max_steps) for spec in specs] == [
        (1, "job", 3),
        (1, "finished", 3),
        (2, "job", 3),
        (2, "finished", 3),
    ]
    # The failing first job did not end the second; what is finished is not run again.
    assert ran == [str(here / "the sweep/job, it's 1"), str(here / "the sweep/job, it's 2")]
    assert set(frozen[0].files) == {"config.yaml", "overrides.yaml"} and "seed=1" in frozen[0].overrides
    # A job that ends without a word has failed, and says so.
    assert "ValueError: a job that fails" in (here / "the sweep/job, it's 1/manifest.json").read_text()
    assert sorted(path.name for path in here.iterdir()) == ["the sweep"]


def test_a_user_folder_given_by_flag_reaches_the_jobs(here, write, frozen):
    write("more/trainer/short.yaml", "# Short.\ndefaults: [default]\nmax_steps: 1\n")
    run_multirun(call("trainer=short", "seed=1,2", "logger=none", config_dir="more"), lambda config: None)
    assert [job.spec.trainer.max_steps for job in frozen] == [1, 1]


def test_sweep_parameters_of_a_configuration(here, write, frozen):
    write(
        "conf/experiment/grid.yaml",
        "# @package _global_\n# A grid.\n"
        "hydra:\n  sweeper:\n    params:\n      seed: 1,2\n      strategy: lora,full\n",
    )
    run_multirun(call("experiment=grid", "logger=none"), lambda config: None)
    assert [(job.spec.seed, job.spec.choices["strategy"]) for job in frozen] == [
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
