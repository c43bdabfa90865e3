"""Jobs in processes of their own: each with its share of the machine, and none that ends another one."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import BadInput, Interrupted, RunFailed
from pipeline.launch.launchers import local, processes, slots
from pipeline.launch.launchers.local import Local
from pipeline.launch.launchers.processes import run_in_process
from pipeline.launch.launchers.slots import Slot
from pipeline.runs.directory import RunDirectory
from pipeline.training import interruption
from tests.conftest import Command
from tests.launch.launchers.jobs import job, place, runs

CPU = {"accelerator": "cpu", "devices": 1, "threads": 1}
TWO_CORES = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    """These jobs need nothing of what takes long to import."""
    monkeypatch.setattr(processes, "_PRELOADED", ["pipeline.launch.launchers.base"])


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """``machine(gpus, cores)``: what there is to share."""

    def have(gpus: int, cores: int) -> None:
        monkeypatch.setattr(local, "usable_gpus", lambda: [str(number) for number in range(gpus)])
        monkeypatch.setattr(local, "usable_cpus", lambda: cores)
        monkeypatch.setattr(local, "usable_cores", lambda: list(range(cores)))

    return have


AUTO = {"accelerator": "auto", "devices": "auto", "threads": None}


@pytest.mark.parametrize(
    ("gpus", "cores", "settings", "hardware", "expected"),
    [
        # (GPUs, cores) of each job.
        (4, 8, {}, AUTO, [("0", 2), ("1", 2), ("2", 2), ("3", 2)]),
        (4, 8, {"jobs": 2}, AUTO, [("0", 4), ("1", 4)]),
        (4, 8, {}, {**AUTO, "devices": 2}, [("0,1", 4), ("2,3", 4)]),
        (3, 9, {"gpus_per_job": 2}, AUTO, [("0,1", 9)]),
        (4, 8, {}, CPU, [("", 1)] * 8),
        (4, 8, {"gpus_per_job": 0, "jobs": 2}, AUTO, [("", 4)] * 2),
        (0, 8, {}, AUTO, [("", 4)] * 2),
        (0, 2, {}, AUTO, [("", 2)]),
        (0, 8, {"jobs": 3}, AUTO, [("", 2)] * 3),
        (0, 8, {"cores_per_job": 3}, AUTO, [("", 3)] * 2),
        (0, 8, {}, {"accelerator": "cpu", "devices": 2, "threads": 2}, [("", 4)] * 2),
    ],
)
def test_shares(machine, gpus, cores, settings, hardware, expected):
    machine(gpus, cores)
    found = Local(**settings).slots(hardware)
    assert [(",".join(slot.gpus), len(slot.cores)) for slot in found] == expected
    given = [core for slot in found for core in slot.cores]
    assert len(given) == len(set(given)), "no core is given twice"


@pytest.mark.parametrize(
    ("gpus", "cores", "settings", "hardware", "where", "words"),
    [
        (0, 8, {"gpus_per_job": 2}, AUTO, "gpus_per_job", "asks for 2 GPUs a job, and this machine has 0"),
        (4, 8, {"gpus_per_job": 1}, CPU, "gpus_per_job", "this machine has 0"),
        (2, 8, {"jobs": 3}, AUTO, "jobs", "3 at once, each with 1 GPU of its own, are too many for 2 GPUs"),
        (4, 8, {"gpus_per_job": 1}, {**AUTO, "devices": 2}, "gpus_per_job", "hardware.devices=2"),
        (0, 2, {"jobs": 3}, CPU, "jobs", "at most 2"),
        (0, 2, {"cores_per_job": 3}, CPU, "cores_per_job", "asks for 3 cores a job, and this machine has 2"),
        (0, 8, {"jobs": 3, "cores_per_job": 4}, CPU, "jobs", "at most 2"),
    ],
)
def test_too_little(machine, gpus, cores, settings, hardware, where, words):
    machine(gpus, cores)
    (problem,) = Local(**settings).problems(hardware)
    assert problem.where == f"hydra.launcher.{where}" and words in str(problem)


def test_gpus_that_are_visible_already_are_shared_out(monkeypatch):
    class Three:
        world_size = 3

    monkeypatch.setattr(slots, "look", lambda hardware: Three)
    monkeypatch.setenv(slots.VISIBLE, "6,GPU-5a,2")
    assert slots.usable_gpus() == ["6", "GPU-5a", "2"]
    monkeypatch.delenv(slots.VISIBLE)
    assert slots.usable_gpus() == ["0", "1", "2"]


@TWO_CORES
def test_each_job_has_its_own_cores_and_none_ends_another(tmp_path: Path, capfd):
    jobs = runs(tmp_path, "slow1", "slow2", "killed", "failed", "refused", "short")
    done = Local(jobs=2).run(job, jobs, CPU)
    assert [run.state for run in jobs] == ["finished", "finished", "failed", "failed", "failed", "finished"]
    assert [job._return_value for job in done[:2]] == [0.5, 0.5]
    assert all(isinstance(job._return_value, RunFailed) for job in done[2:5])
    errors = [run.manifest().get("error") for run in jobs[2:5]]
    assert errors[:2] == ["its process was ended by SIGKILL", "RuntimeError: as asked"]
    assert "is refused" in errors[2]
    one, two = place(jobs[0]), place(jobs[1])
    assert one["cpus"] == two["cpus"] == 1 and not {*one["cores"]} & {*two["cores"]}
    assert one["gpus"] == two["gpus"] == ""
    assert max(one["time"][0], two["time"][0]) < min(one["time"][1], two["time"][1]), "at once"
    processes = {place(run)["process"] for run in (jobs[0], jobs[1], jobs[5])}
    assert len(processes) == 3 and os.getpid() not in processes
    assert (jobs[3].logs / "stdout.log").read_text() == "working on failed\n"
    assert "as asked" in (jobs[3].logs / "stderr.log").read_text()
    told = capfd.readouterr().err
    assert "killed: failed: its process was ended by SIGKILL" in told and "short: finished, 0.5000" in told


@TWO_CORES
def test_threads_that_launch_at_once_share_the_slots(tmp_path: Path):
    jobs = runs(tmp_path, *(f"slow{number}" for number in range(3)))
    launcher = Local(jobs=2)
    threads = [threading.Thread(target=launcher.run, args=(job, [run], CPU)) for run in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for one in jobs:
        for other in jobs:
            if one is not other and {*place(one)["cores"]} & {*place(other)["cores"]}:
                (a, b), (c, d) = place(one)["time"], place(other)["time"]
                assert b <= c or d <= a, "two jobs had a core at the same time"


def test_a_request_to_stop_reaches_the_jobs_and_the_others_do_not_start(tmp_path: Path):
    jobs = runs(tmp_path, "long", "short")

    def stop() -> None:
        while jobs[0].state != "running":
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    with pytest.raises(Interrupted, match="2 jobs of the sweep did not finish; the same command goes on"):
        Local(jobs=1).run(job, jobs, CPU)
    assert [run.state for run in jobs] == ["interrupted", "created"]
    assert not interruption.requested(), "what comes next is not stopped"


def test_a_second_ctrl_c_kills_what_does_not_leave(tmp_path: Path):
    (run,) = runs(tmp_path, "long")
    how = run_in_process(job, run, Slot((), ()), lambda: run.state == "running")
    assert how == "its process was ended by SIGKILL"


@TWO_CORES
@pytest.mark.slow
def test_a_sweep_of_trainings(small: list[str], command: Command, tmp_path: Path) -> None:
    """Through the command, which tells what became of them."""
    keys = [*small, "debug=fast", "seed=0,1", "name=grid", "hydra/launcher=local", "hydra.launcher.jobs=2"]
    done = command("train", "-m", *keys)
    assert done.returncode == 0, done.stderr
    folders = {path.parent.resolve() for path in tmp_path.glob("outputs/sweeps/grid/*/manifest.json")}
    found = [RunDirectory(folder) for folder in folders]
    assert [run.state for run in found] == ["finished"] * 2
    for run in found:
        assert run.manifest()["environment"]["machine"]["cpus"] == 1
        assert (run.logs / "stderr.log").read_text().count("weights: newly initialised") == 1
        assert f"{run.folder.name}: finished, {run.metrics()['optimized_metric']:.4f}" in done.stderr
    assert "weights:" not in done.stderr, "what jobs say is in their logs"


def test_wrong_settings(tmp_path: Path):
    with pytest.raises(BadInput):
        Local(jobs=1, gpus_per_job=1).run(job, runs(tmp_path, "short"), CPU)
