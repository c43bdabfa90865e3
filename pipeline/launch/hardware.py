"""Where a run computes: accelerator, number of processes, precision, memory-bound batch size."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.component import component

Precision = Literal["auto", "32", "bf16", "16"]
Count = Annotated[int, Field(ge=1)]


@component
class Hardware:
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    # Processes (one a GPU). auto: every GPU of this machine, or one process on a CPU.
    devices: Literal["auto"] | Count = "auto"
    # Arithmetic of the forward and backward pass; weights and optimizer stay in float32.
    # auto: bf16 where the machine is fast at it (GPUs since Ampere, CPUs with AMX), else float32.
    precision: Precision = "auto"
    # Examples that one process holds at once; what it makes of trainer.batch_size is accumulated.
    # auto: the whole share of the process.
    micro_batch: Literal["auto"] | Count = "auto"
    # Disk for what a frozen part of the model gives for every example, so that it is computed once: GiB, or off.
    # auto: at most 20 GiB, and half of what is free where the cache lies.
    feature_cache: Literal["auto", "off"] | Annotated[float, Field(gt=0)] = "auto"
    # Processes that load batches beside the training process.
    workers: Annotated[int, Field(ge=0)] = 0
    # CPU threads of one process. null: all cores shared among the processes.
    threads: Count | None = None
