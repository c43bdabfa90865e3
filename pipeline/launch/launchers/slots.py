"""Shares of one machine: GPUs and cores that one job at a time has for itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue

from pipeline.errors import BadInput
from pipeline.launch.hardware import Hardware
from pipeline.launch.machine import look
from pipeline.training import interruption

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Slot:
    """gpus: as in CUDA_VISIBLE_DEVICES; without any the job sees none. cores: their numbers; none: the system cannot
    give cores to processes."""

    gpus: tuple[str, ...]
    cores: tuple[int, ...]

    def occupy(self) -> None:
        """Restrict this process, and those that it starts, to the slot. It must not have used a GPU before."""
        os.environ[VISIBLE] = ",".join(self.gpus)
        if self.cores:
            os.sched_setaffinity(0, self.cores)

    def __str__(self) -> str:
        gpus = f"GPU {', '.join(self.gpus)}" if self.gpus else ""
        cores = f"core{'s' * (len(self.cores) > 1)} {_ranges(self.cores)}" if self.cores else ""
        return ", ".join(filter(None, (gpus, cores))) or "a process"


def usable_gpus() -> list[str]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES has them where it is set."""
    try:
        count = look(Hardware(accelerator="gpu", devices="auto", precision="32")).world_size
    except BadInput:
        return []
    named = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return named[:count] or [str(number) for number in range(count)]


def usable_cores() -> list[int]:
    """Numbers of the cores that this process may use; none on a system that cannot give them to processes."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []


def cut(count: int, gpus: Sequence[str], gpus_each: int, cores: Sequence[int], cores_each: int) -> list[Slot]:
    """`count` slots, none of which shares a GPU or a core with another one. Cores that are left over go to nobody."""
    return [
        Slot(
            tuple(gpus[number * gpus_each : (number + 1) * gpus_each]),
            tuple(cores[number * cores_each : (number + 1) * cores_each]),
        )
        for number in range(count)
    ]


@cache
def _free(slots: tuple[Slot, ...]) -> SimpleQueue[Slot]:
    """The free ones: one queue for all who ask in this process."""
    queue: SimpleQueue[Slot] = SimpleQueue()
    for slot in slots:
        queue.put(slot)
    return queue


@contextmanager
def free_slot(slots: Sequence[Slot]) -> Iterator[Slot | None]:
    """One of `slots` that no other thread has, as soon as there is one; None where this process is to stop."""
    queue = _free(tuple(slots))
    while not interruption.requested():
        try:
            slot = queue.get(timeout=0.2)
        except Empty:
            continue
        try:
            yield slot
        finally:
            queue.put(slot)
        return
    yield None


def _ranges(numbers: Sequence[int]) -> str:
    """``0-3,8``"""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
