"""What `auto` means on a machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.launch import machine
from pipeline.launch.hardware import Hardware
from pipeline.launch.machine import Machine, keep_attention, look, resolve
from pipeline.models.checkpoint import Checkpoint
from pipeline.runs.directory import RunDirectory
from tests.models import families


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_gpus", lambda: 0)
    monkeypatch.setattr(machine, "_has_mps", lambda: False)
    monkeypatch.setattr(machine, "_has_amx", lambda: False)
    monkeypatch.setattr(machine, "usable_cpus", lambda: 4)


def test_a_machine_without_gpu(four_cores):
    assert look(Hardware()) == Machine("cpu", 1, "32", None, 4)
    assert look(Hardware(devices=2)) == Machine("cpu", 2, "32", None, 2)
    assert look(Hardware(precision="bf16", micro_batch=3, threads=1)) == Machine("cpu", 1, "bf16", 3, 1)


def test_bf16_where_the_cpu_is_fast_at_it(four_cores, monkeypatch):
    monkeypatch.setattr(machine, "_has_amx", lambda: True)
    assert look(Hardware()).precision == "bf16"
    assert look(Hardware(precision="32")).precision == "32"


def test_every_gpu_is_used(four_cores, monkeypatch):
    monkeypatch.setattr(machine, "_gpus", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (8, 0))
    assert look(Hardware()) == Machine("gpu", 2, "bf16", None, 4)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (7, 5))
    assert look(Hardware(devices=1)) == Machine("gpu", 1, "32", None, 4)


@pytest.mark.parametrize(
    ("hardware", "where"),
    [
        (Hardware(accelerator="gpu"), "hardware.accelerator"),
        (Hardware(accelerator="mps"), "hardware.accelerator"),
        (Hardware(accelerator="cpu", devices=5), "hardware.devices"),
        (Hardware(precision="16"), "hardware.precision"),
    ],
)
def test_what_is_not_there(four_cores, hardware: Hardware, where: str):
    with pytest.raises(BadInput) as caught:
        look(hardware)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_a_run_keeps_what_it_first_started_with(four_cores, tmp_path: Path, monkeypatch):
    run = RunDirectory(tmp_path)
    first = resolve(run, Hardware(precision="bf16"))
    monkeypatch.setattr(machine, "usable_cpus", lambda: 64)
    assert resolve(run, Hardware()) == first == Machine("cpu", 1, "bf16", None, 4)


def test_a_run_keeps_the_attention_kernel_of_its_first_start(four_cores, tmp_path: Path):
    run, chosen = RunDirectory(tmp_path), Checkpoint(checkpoint="somewhere")
    first = resolve(run, Hardware())
    assert first.checkpoint(chosen) == chosen
    for kernel in ("sdpa", "eager"):
        model = families.random_model("llama", "AutoModel", attn_implementation=kernel)
        keep_attention(run, resolve(run, Hardware()), model)
    assert resolve(run, Hardware()).checkpoint(chosen) == replace(chosen, attention="sdpa")


def test_a_run_goes_on_only_where_there_is_what_it_started_with(four_cores, tmp_path: Path, monkeypatch):
    run = RunDirectory(tmp_path)
    monkeypatch.setattr(machine, "_gpus", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (8, 0))
    first = resolve(run, Hardware())
    monkeypatch.setattr(machine, "_gpus", lambda: 1)
    with pytest.raises(BadInput, match="computes on 2 gpu, and this machine has 1"):
        resolve(run, Hardware())
    monkeypatch.setattr(machine, "_gpus", lambda: 4)
    assert resolve(run, Hardware()) == first
