"""Two processes that srun starts on two nodes compute what one process does, and only one of them prepares."""

import csv
import json
import subprocess
from pathlib import Path

import pytest
import torch

from pipeline.errors import BadInput
from pipeline.launch import slurm
from pipeline.launch.hardware import Hardware
from pipeline.launch.world import World
from tests.cluster.two_nodes import Cluster
from tests.conftest import PYTHON, Command, manifest_of, only_run, quick_environment

KEYS = [
    "strategy=full",
    "model.dropout=0.0",
    "trainer.batch_size=16",
    "trainer.max_steps=12",
    "trainer.log_every=1",
]
STEP = ["srun", "--nodes=2", "--ntasks-per-node=1", "--kill-on-bad-exit=1"]


def numbers(run: Path) -> dict[tuple[str, str], float]:
    with (run / "logs/csv/metrics.csv").open() as file:
        found = {(row["step"], row["name"]): float(row["value"]) for row in csv.DictReader(file)}
    return found | {
        ("end", name): value
        for name, value in json.loads((run / "metrics.json").read_text()).items()
        if name.startswith(("val/", "test/")) and isinstance(value, float)
    }


def step(cluster: Cluster, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*STEP, str(PYTHON.python), "-m", "pipeline.train", *words],
        cwd=folder,
        env={**cluster.environment, **quick_environment(), "PATH": cluster.environment["PATH"]},
        capture_output=True,
        text=True,
        timeout=180,
    )


@pytest.mark.slow
def test_two_nodes_compute_what_one_process_does(
    small: list[str], command: Command, cluster: Cluster, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    done = command("train", *small, *KEYS, cwd=one)
    assert done.returncode == 0, done.stderr
    done = step(cluster, two, *small, *KEYS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("confusion_matrix") == 1, "the result is shown once"
    one, two = only_run(one), only_run(two)
    assert manifest_of(two)["id"] == manifest_of(one)["id"] and manifest_of(two)["state"] == "finished"
    assert "world_size: 2" in (two / "resolved.yaml").read_text()
    expected, found = numbers(one), numbers(two)
    assert found.keys() == expected.keys() and len(found) > 20
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, abs=2e-5), key
    weights = [
        torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in (one, two)
    ]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-4, rtol=1e-3, msg=name)


def test_a_mistake_is_told_once_and_nobody_waits(small: list[str], cluster: Cluster, tmp_path: Path) -> None:
    done = step(cluster, tmp_path, *small, "optimizer.lr=-1")
    assert done.returncode == 2 and done.stderr.count("optimizer.lr") == 1, done.stderr
    done = step(cluster, tmp_path, "-m", *small, "seed=0,1")
    assert done.returncode and "would run the whole sweep" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_what_slurm_started_is_what_the_configuration_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    place = World(rank=3, local_rank=1, size=4, local_size=2, node=1, nodes=2, starter="slurm")
    with pytest.raises(BadInput, match=r"hardware.devices: is 1, and Slurm has started 2 processes"):
        slurm.join(place, Hardware(devices=1))
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("MASTER_ADDR", "first")
    monkeypatch.delenv("MASTER_PORT", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "70001")
    monkeypatch.setenv("SLURM_STEP_ID", "2")
    slurm.join(place, Hardware(devices=2))
    from lightning.fabric.plugins.environments import TorchElasticEnvironment

    found = TorchElasticEnvironment()
    assert (found.global_rank(), found.world_size(), found.local_rank(), found.node_rank()) == (3, 4, 1, 1)
    assert found.main_address == "first" and 12000 <= found.main_port < 32000


def test_the_first_node_is_found_where_its_name_leads_nowhere(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(slurm.socket, "getaddrinfo", unknown)
    assert slurm._address("n[1-2]") == "127.0.0.1"
    monkeypatch.setattr(slurm.socket, "getaddrinfo", lambda *_: [])
    assert slurm._address("n[2,1]") in ("n1", "n2")
