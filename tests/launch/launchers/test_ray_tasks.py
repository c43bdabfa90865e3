"""A real Ray on this machine: a task for each job, of which one that dies ends no other."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import Interrupted
from pipeline.launch.launchers import ray_tasks
from pipeline.launch.launchers.ray_tasks import Ray
from tests.launch.launchers.jobs import job, place, runs

SMALL = {"num_cpus": 2, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def _head() -> Iterator[None]:
    """Ray is started by the first launch and ends with the process; here with the tests."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield
        ray.shutdown()


@pytest.mark.slow
def test_jobs_are_tasks_of_their_own(_head: None, tmp_path: Path) -> None:
    jobs = runs(tmp_path, "short", "killed", "failed")
    done = Ray(num_cpus=1, init=SMALL).run(job, jobs, {})
    assert [run.state for run in jobs] == ["finished", "failed", "failed"]
    assert done[0]._return_value == 0.5
    assert "its worker ended" in str(done[1]._return_value) and "as asked" in str(done[2]._return_value)
    assert place(jobs[0])["gpus"] == "" and place(jobs[0])["cpus"] == 1, "no more than it was given"
    assert (jobs[0].logs / "stdout.log").read_text() == "working on short\n"
    assert "as asked" in (jobs[2].logs / "stderr.log").read_text()


@pytest.mark.slow
def test_a_request_to_stop_reaches_the_tasks(_head: None, tmp_path: Path) -> None:
    jobs = runs(tmp_path, "long", "short")

    def stop() -> None:
        while jobs[0].state != "running":
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    with pytest.raises(Interrupted, match="2 jobs of the sweep did not finish"):
        Ray(num_cpus=2, init=SMALL).run(job, jobs, {})
    assert [run.state for run in jobs] == ["interrupted", "created"]


def test_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_tasks, "usable_gpus", lambda: [])
    monkeypatch.setattr(ray_tasks, "usable_cpus", lambda: 4)
    (problem,) = Ray(num_gpus=2).problems({})
    assert problem.where == "hydra.launcher.num_gpus"
    assert "asks for 2 GPUs a job, and Ray on this machine has 0" in problem.what
    assert [problem.where for problem in Ray(num_cpus=5).problems({})] == ["hydra.launcher.num_cpus"]
    assert not list(Ray(num_gpus=2, address="auto").problems({})), "a cluster may grow"
