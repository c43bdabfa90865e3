"""Two machines, played by two commands on this one: one prepares and freezes, both train, every row counts once."""

import json
import subprocess
from pathlib import Path

import pytest
import torch

from pipeline.errors import BadInput, RunFailed
from pipeline.launch.agent import attend
from pipeline.launch.machine import Machine
from pipeline.launch.meeting import Meeting
from pipeline.runs.directory import RunDirectory
from tests.conftest import PYTHON, Command, manifest_of, only_run, quick_environment
from tests.launch.ports import free_port
from tests.launch.trouble import trouble

KEYS = [
    "hardware.accelerator=cpu",
    "hardware.threads=1",
    "model.dropout=0.0",
    "trainer.batch_size=16",
    "trainer.max_steps=5",
    "trainer.evaluation_batch_size=5",
]


def meeting() -> list[str]:
    """Words of two machines with a process each."""
    there = f"hardware.rendezvous=localhost:{free_port()}"
    return ["hardware=ddp", "hardware.devices=1", "hardware.nodes=2", there]


def both(folder: Path, *words: str) -> list[subprocess.Popen[str]]:
    """The same command twice, in a folder that both see."""
    return [
        subprocess.Popen(
            [PYTHON.python, "-m", *words],
            cwd=folder,
            env=quick_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    said = [process.communicate(timeout=120) for process in processes]
    return [(process.returncode, *texts) for process, texts in zip(processes, said, strict=True)]


@pytest.mark.slow
def test_the_same_command_on_two_machines(
    small: list[str], tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HYDRATUNE_TRUST", "tests.launch.trouble")
    killed = ["callbacks.checkpoint.every_steps=2", *trouble("kill")]  # So all start again.
    two, one = tmp_path / "two", tmp_path / "one"
    two.mkdir(), one.mkdir()
    done = ended(both(two, "pipeline.train", *small, *KEYS, *meeting(), *killed))
    assert [code for code, _, _ in done] == [0, 0], done
    run = only_run(two)  # There is one.
    assert manifest_of(run)["state"] == "finished" and manifest_of(run)["starts"] == 2
    assert sum("rank 1 was killed" in err for _, _, err in done) == 1
    assert sum("confusion_matrix" in out for _, out, _ in done) == 1, "the result is told once"
    assert sum("machine" in err and "2 machines × 1 × cpu" in out + err for _, out, err in done) == 1
    assert {path.name for path in run.glob("logs/rank*.log")} == {"rank0.log", "rank1.log"}
    assert command("train", *small, *KEYS, "hardware=cpu", cwd=one).returncode == 0
    alone = only_run(one)
    scores = [json.loads((each / "metrics.json").read_text()) for each in (run, alone)]
    for name, value in scores[1].items():
        if name.startswith(("val/", "test/")):
            assert scores[0][name] == pytest.approx(value, abs=1e-6), name
    states = [
        torch.load(each / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for each in (run, alone)
    ]
    for name, value in states[1].items():
        torch.testing.assert_close(states[0][name], value, atol=1e-5, rtol=0, msg=name)


@pytest.mark.slow
def test_what_is_wrong_on_the_first_is_told_on_both(small: list[str], tmp_path: Path):
    done = ended(both(tmp_path, "pipeline.train", *small, *KEYS, *meeting(), "data.columns.label=grade"))
    assert sorted(code for code, _, _ in done) == [1, 2]
    assert all("grade" in err for _, _, err in done) and not list(tmp_path.glob("outputs/*"))


@pytest.mark.slow
def test_torchrun_started_by_hand(small: list[str], tmp_path: Path):
    port = free_port()
    agent = [
        "torch.distributed.run",
        "--nnodes=2",
        "--nproc-per-node=1",
        "--rdzv-backend=c10d",
        "--rdzv-id=7",
    ]
    agent += [f"--rdzv-endpoint=localhost:{port}", "-m", "pipeline.train"]
    done = ended(both(tmp_path, *agent, *small, *KEYS, "hardware=ddp"))
    assert [code for code, _, _ in done] == [0, 0], done
    run = only_run(tmp_path)
    assert manifest_of(run)["state"] == "finished"
    assert "nodes: 2" in (run / "resolved.yaml").read_text()


def test_a_place_where_nobody_is():
    with pytest.raises(BadInput, match=r"hardware.rendezvous: nobody answers at nowhere.invalid:29500"):
        Meeting("nowhere.invalid:29500", 2, 1)


def test_a_machine_that_does_not_come(tmp_path: Path):
    alone = Meeting(f"localhost:{free_port()}", 2, 1)
    assert alone.words.leads
    with pytest.raises(RunFailed, match=r"2 machines did not meet within hardware.timeout"):
        attend(RunDirectory(tmp_path), Machine("cpu", 2, "32", None, 1, nodes=2), alone, "run-1")
