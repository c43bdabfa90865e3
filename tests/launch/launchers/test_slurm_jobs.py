"""Sweeps on a real cluster of two nodes: jobs end as they do in this process, whatever happens to their nodes."""

import contextlib
import hashlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.errors import Interrupted, RunFailed
from pipeline.launch.launchers import slurm_jobs
from pipeline.launch.launchers.slurm_jobs import Slurm
from pipeline.launch.launchers.slurm_queue import Queue
from pipeline.runs.directory import RunDirectory
from tests.cluster.two_nodes import Cluster
from tests.conftest import PYTHON, ROOT, Command, only_run, quick_environment
from tests.launch.launchers.jobs import job, place, runs

SHORT = {"timeout_min": 5, "signal_delay_s": 30}


@pytest.fixture
def quick(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, warm: None) -> Cluster:
    """Jobs find this checkout, and start warm."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(slurm_jobs, "_LATE_SECONDS", 0)
    return cluster


def meanwhile(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def preempt(cluster: Cluster, job: str) -> None:
    """As a cluster does it. After five seconds scancel would say it again, to a job that is back in the queue then."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["scancel", "--signal=USR2", job], env=cluster.environment, timeout=3, check=True)


def job_on(cluster: Cluster, node: str) -> str:
    return cluster.run("squeue", "--noheader", f"--nodelist={node}", "--states=RUNNING", "--format=%i")


@pytest.mark.slow
def test_one_job_that_fails_ends_no_other(quick: Cluster, tmp_path: Path) -> None:
    jobs = runs(tmp_path, "short1", "failed", "killed", "refused", "short2")
    done = Slurm(**SHORT, cpus_per_task=1).run(job, jobs, {})
    assert [run.state for run in jobs] == ["finished", "failed", "failed", "failed", "finished"]
    assert [job._return_value for job in (done[0], done[4])] == [0.5, 0.5]
    assert all(isinstance(job._return_value, RunFailed) for job in done[1:4])
    assert jobs[1].manifest()["error"] == "RuntimeError: as asked"
    assert "ended without a word; see" in jobs[2].manifest()["error"]
    assert "is refused" in jobs[3].manifest()["error"]
    assert place(jobs[0])["cpus"] == 1, "what Slurm has granted, though it binds no process to cores"


@pytest.mark.slow
def test_a_preempted_job_and_a_lost_node(quick: Cluster, tmp_path: Path) -> None:
    """One job is told that it will be preempted, the node of another one is lost; a third one waits for a node."""
    jobs = runs(tmp_path, "long1", "long2", "short")

    def lose() -> None:
        quick.wait_for(lambda: [run.state for run in jobs[:2]] == ["running"] * 2)
        preempt(quick, job_on(quick, "n1"))
        quick.kill_node("n2")
        quick.run("scontrol", "update", "nodename=n2", "state=down", "reason=power")

    thread = meanwhile(lose)
    try:
        done = Slurm(**SHORT).run(job, jobs, {})
    finally:
        thread.join()
        quick.start_node("n2")
        quick.run("scontrol", "update", "nodename=n2", "state=resume")
    assert [job._return_value for job in done] == [0.5, 0.5, 0.5]
    assert [run.manifest()["starts"] for run in jobs] == [2, 2, 1]


def test_a_stopped_sweep_stops_its_jobs(quick: Cluster, tmp_path: Path) -> None:
    jobs = runs(tmp_path, "long1", "long2", "short")

    def stop() -> None:
        quick.wait_for(lambda: [run.state for run in jobs[:2]] == ["running"] * 2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = meanwhile(stop)
    with pytest.raises(Interrupted, match="3 jobs of the sweep did not finish; the same command goes on"):
        Slurm(**SHORT).run(job, jobs, {})
    thread.join()
    assert [run.state for run in jobs] == ["interrupted", "interrupted", "created"]


def outcome(run: Path) -> dict[str, str]:
    """Hashes of what must not depend on interruptions."""
    last = torch.load(run / "checkpoints/last.ckpt", map_location="cpu", weights_only=True)
    found = {n: hashlib.sha256(v.numpy().tobytes()).hexdigest() for n, v in last["state_dict"].items()}
    for file in ("logs/csv/metrics.csv", "predictions/test.jsonl", "model/model.safetensors"):
        found[file] = hashlib.sha256((run / file).read_bytes()).hexdigest()
    return found


@pytest.mark.slow
def test_a_sweep_of_trainings_of_which_one_is_preempted(
    small: list[str], command: Command, cluster: Cluster, tmp_path: Path
) -> None:
    """Through the command; the preempted training ends to the bit as one that nobody disturbed."""
    keys = [*small, "strategy=full", "trainer.max_steps=150", "trainer.evaluate_every=50"]
    keys += ["callbacks.checkpoint.every_steps=2", "name=grid"]
    alone = tmp_path / "alone"
    alone.mkdir()
    assert command("train", *keys, "seed=0", cwd=alone).returncode == 0

    slurm = [
        "hydra/launcher=submitit_slurm",
        "hydra.launcher.timeout_min=5",
        "hydra.launcher.signal_delay_s=30",
    ]
    process = subprocess.Popen(
        [str(PYTHON.python), "-m", "pipeline.train", "-m", *keys, "seed=0,1,2,3", *slurm],
        cwd=tmp_path,
        env={**cluster.environment, **quick_environment(), "PATH": cluster.environment["PATH"]},
        stdout=subprocess.DEVNULL,
        stderr=(tmp_path / "said").open("w"),
    )
    folder = tmp_path / "outputs/sweeps/grid"
    same = only_run(alone).name.rpartition("-")[2]
    preempted = RunDirectory(folder / same)

    def has_begun() -> bool:
        assert process.poll() is None, (tmp_path / "said").read_text()
        return preempted.last_checkpoint.exists()

    cluster.wait_for(has_begun, 150)
    (array,) = {name.partition("_")[0] for name in cluster.jobs()}
    preempt(cluster, f"{array}_0")
    assert process.wait(200) == 0, (tmp_path / "said").read_text()
    found = [
        RunDirectory(each) for each in {path.parent.resolve() for path in folder.glob("*/manifest.json")}
    ]
    assert [run.state for run in found] == ["finished"] * 4, [run.manifest().get("error") for run in found]
    assert sorted(run.manifest()["starts"] for run in found) == [1, 1, 1, 2]
    assert preempted.manifest()["starts"] == 2
    assert outcome(preempted.folder) == outcome(only_run(alone))
    assert f"{same}: job {array}_0 of Slurm" in (tmp_path / "said").read_text()


def test_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_jobs.shutil, "which", lambda name: None)
    (problem,) = Slurm().problems({"devices": 1})
    assert problem.where == "hydra/launcher" and "sbatch" in problem.what
    monkeypatch.setattr(slurm_jobs.shutil, "which", lambda name: name)
    with monkeypatch.context() as nowhere:
        nowhere.setenv("PATH", "/nowhere")
        (problem,) = Slurm().problems({"devices": 1})
        assert problem.where == "hydra/launcher" and "does not answer" in problem.what
    monkeypatch.setattr(slurm_jobs, "_silent", lambda: None)
    (problem,) = Slurm(nodes=2, tasks_per_node=1).problems({"devices": 2})
    assert problem.where == "hydra.launcher.tasks_per_node"
    assert not list(Slurm(nodes=2, tasks_per_node=1).problems({"devices": "auto"}))


def test_a_cluster_that_does_not_answer_has_lost_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert Queue().has("12_0")
