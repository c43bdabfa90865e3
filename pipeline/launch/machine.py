"""What this machine is, and what `auto` means on it. Decided once, at a run's first start, and kept."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipeline.errors import BadInput, Problem
from pipeline.launch.world import world
from pipeline.runs.directory import RunDirectory, write_whole
from pipeline.runs.environment import usable_cpus
from pipeline.training.compiling import check_compiler

if TYPE_CHECKING:
    from torch import nn

    from pipeline.launch.hardware import Hardware
    from pipeline.models.checkpoint import Checkpoint


@dataclass(frozen=True)
class Machine:
    """The settings of a run that depend on where it first started; a resumed run reads them again.

    accelerator: cpu, gpu or mps. world_size: processes. threads: CPU threads of one process.
    precision: 32, bf16 or 16. micro_batch: examples at once in one process, None for its whole share; micro_tokens: the
    same of steps that are counted in tokens.
    nodes: machines like this one, each with the same number of processes. attention: the kernel that the model attends
    with, None until it is known.
    """

    accelerator: str
    world_size: int
    precision: str
    micro_batch: int | None
    threads: int
    nodes: int = 1
    micro_tokens: int | None = None
    attention: str | None = None

    @property
    def local_size(self) -> int:
        """Processes on one machine."""
        return self.world_size // self.nodes

    def checkpoint(self, chosen: Checkpoint) -> Checkpoint:
        """The chosen model, with the attention kernel of the first start: another version of transformers may choose
        another one."""
        return replace(chosen, attention=self.attention) if self.attention else chosen

    @contextmanager
    def inference(self) -> Iterator[None]:
        """No gradients, and the precision that training evaluates in."""
        import torch

        device = "cuda" if self.accelerator == "gpu" else self.accelerator
        kind = torch.float16 if self.precision == "16" else torch.bfloat16
        with torch.inference_mode(), torch.autocast(device, kind, enabled=self.precision != "32"):
            yield


@cache
def _gpus() -> int:
    """GPUs that torch can use; torch is only asked where there is a device at all."""
    # NVIDIA's driver, AMD's, and either of them under WSL.
    devices = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    if not (any(Path(device).exists() for device in devices) or os.name == "nt"):
        return 0
    import torch

    return torch.cuda.device_count()


@cache
def _has_amx() -> bool:
    info = Path("/proc/cpuinfo")
    return info.exists() and "amx_bf16" in info.read_text()


def _has_mps() -> bool:
    return platform.system() == "Darwin" and platform.machine() == "arm64"


def _precision(accelerator: str) -> str:
    """bf16 where matrix products are faster in it; elsewhere it is slower than float32 or missing."""
    if accelerator == "gpu":
        import torch

        return "bf16" if torch.cuda.get_device_capability()[0] >= 8 else "32"
    return "bf16" if accelerator == "cpu" and _has_amx() else "32"


def _there(accelerator: str) -> int:
    """How many processes it can serve here."""
    if accelerator == "cpu":
        return usable_cpus()
    return _gpus() if accelerator == "gpu" else int(_has_mps())


def look(hardware: Hardware) -> Machine:
    """What `hardware` comes to here. Raises BadInput for an accelerator or a compiler that this machine does not have.

    In one of several processes their number is what their starter says, not `hardware.devices` and `hardware.nodes`.
    """
    place = world()
    accelerator = hardware.accelerator
    if accelerator == "auto":
        accelerator = "gpu" if _gpus() else "mps" if _has_mps() else "cpu"
    there = _there(accelerator)
    devices = hardware.devices
    if devices == "auto":
        devices = there if accelerator == "gpu" else 1
    if place.size > 1:
        devices = place.local_size
    if devices > there or there == 0:
        key = "hardware.accelerator" if there == 0 else "hardware.devices"
        what = f"asks for {max(devices, 1)} {accelerator}, and this machine has {there}"
        raise BadInput(Problem(key, what, "hardware=auto takes what there is, hardware=cpu runs anywhere"))
    precision = hardware.precision if hardware.precision != "auto" else _precision(accelerator)
    if precision == "16" and accelerator == "cpu":
        raise BadInput(Problem("hardware.precision", "16 needs a GPU", "32 or bf16 on a CPU"))
    if hardware.compile:
        check_compiler(accelerator)
    threads = hardware.threads or max(1, usable_cpus() // (devices if accelerator == "cpu" else 1))
    micro, tokens = (None if n == "auto" else n for n in (hardware.micro_batch, hardware.micro_tokens))
    nodes = place.nodes if place.size > 1 else hardware.nodes
    return Machine(accelerator, devices * nodes, precision, micro, threads, nodes, tokens)


def resolve(run: RunDirectory, hardware: Hardware) -> Machine:
    """The run's machine settings: read when it started before, decided and written when this is its first start.

    Raises BadInput where it started on an accelerator that this machine does not have, or is continued by another
    number of processes.
    """
    path = run.folder / "resolved.yaml"
    if path.exists():
        machine = Machine(**yaml.safe_load(path.read_text(encoding="utf-8")))
        if (size := world().size) not in (1, machine.world_size):
            what = f"{run.folder} computes in {machine.world_size} processes, and {size} were started"
            raise BadInput(Problem("run", what, f"{machine.world_size} processes, or a new run"))
        # Fewer cores only take longer.
        if machine.accelerator != "cpu" and machine.local_size > (there := _there(machine.accelerator)):
            what = f"{run.folder} computes on {machine.local_size} {machine.accelerator}, and this machine has {there}"
            raise BadInput(Problem("resume", what, "a machine like the one it started on, or a new run"))
        return machine
    machine = look(hardware)
    _write(run, machine)
    return machine


def keep_attention(run: RunDirectory, machine: Machine, model: nn.Module) -> None:
    """Note the kernel that the model attends with for later starts, unless an earlier one did."""
    kernel: Any = getattr(model.config, "_attn_implementation", None)
    if machine.attention is None:
        _write(run, replace(machine, attention=kernel))


def _write(run: RunDirectory, machine: Machine) -> None:
    write_whole(run.folder / "resolved.yaml", yaml.safe_dump(asdict(machine), sort_keys=False))
