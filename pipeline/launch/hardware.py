"""Where a run computes: accelerator, processes and machines, precision, memory-bound batch size."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import Problem

Precision = Literal["auto", "32", "bf16", "16"]
Sharding = Literal["none", "fsdp"]
Count = Annotated[int, Field(ge=1)]
Address = Annotated[str, Field(pattern=r"^[\w.-]+:\d+$")]


@component
class Hardware:
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    # Processes on one machine (one a GPU). auto: every GPU of this machine, or one process on a CPU.
    devices: Literal["auto"] | Count = "auto"
    # Arithmetic of the forward and backward pass; weights and optimizer stay in float32.
    # auto: bf16 where the machine is fast at it (GPUs since Ampere, CPUs with AMX), else float32.
    precision: Precision = "auto"
    # Examples that one process holds at once; what it makes of trainer.batch_size is accumulated.
    # auto: the whole share of the process.
    micro_batch: Literal["auto"] | Count = "auto"
    # The same in tokens, padding not counted, of steps that are counted so (trainer.batch_tokens).
    micro_tokens: Literal["auto"] | Count = "auto"
    # Disk for what a frozen part of the model gives for every example, so that it is computed once: GiB, or off.
    # auto: at most 20 GiB, and half of what is free where the cache lies.
    feature_cache: Literal["auto", "off"] | Annotated[float, Field(gt=0)] = "auto"
    # Processes that load batches beside the training process.
    workers: Annotated[int, Field(ge=0)] = 0
    # CPU threads of one process. null: all cores shared among the processes.
    threads: Count | None = None

    # What of a model every process holds. none: all of it. fsdp: its share of weights, gradients and optimizer state.
    sharding: Sharding = "none"
    # Compute activations again in the backward pass, instead of keeping them. offload: and let what each layer still
    # keeps, its input, wait in the CPU's memory; without a GPU the same as true.
    recompute: bool | Literal["offload"] = False
    # Compile each trained layer by itself (torch.compile).
    compile: bool = False
    # Machines, each with `devices` processes; the same command is given on each of them.
    nodes: Count = 1
    # Where they meet: the name of one of them and a free port of it.
    rendezvous: Address | None = None
    # Minutes without progress after which several processes are taken to hang, and ended.
    timeout: Annotated[float, Field(gt=0)] = 30.0
    # How often processes start again from the last checkpoint after one of them was killed or its machine was lost.
    restarts: Annotated[int, Field(ge=0)] = 3

    def offloads(self, accelerator: str) -> bool:
        """Whether what recomputed layers keep waits in the CPU's memory, on this accelerator."""
        return self.recompute == "offload" and accelerator == "gpu"

    @property
    def without_quick_dropout(self) -> str | None:
        """The option that trainer.quick_dropout does not go with: it would not reach into what computes activations
        again, which has to drop the same, nor into what is compiled."""
        return next((name for name in ("recompute", "compile") if getattr(self, name)), None)

    def conflicts(self, spec: Any) -> Iterator[Problem]:
        """What several machines lack, and what a sharded model cannot be combined with: each part says so itself."""
        if self.nodes > 1 and self.rendezvous is None:
            what = f"{self.nodes} machines have to meet somewhere"
            yield Problem("hardware.rendezvous", what, "HOST:PORT of one of them")
        if self.sharding == "none" or not spec.train:
            return
        if self.precision == "16":
            yield Problem("hardware.precision", "16 does not go with hardware.sharding=fsdp", "bf16 or 32")
        for key in ("strategy", "optimizer"):
            if not getattr(getattr(spec, key), "shardable", True):
                what = (
                    f"{key}={spec.choices.get(key)} needs whole weights, and hardware.sharding=fsdp cuts them"
                )
                yield Problem(key, what, "hardware.sharding=none, or another " + key)
        if spec.data.augmentation.mixup:
            what = "mixup reads the embedding by itself, and hardware.sharding=fsdp cuts it"
            yield Problem("data.augmentation.mixup", what, "0.0, or hardware.sharding=none")
        for name, callback in spec.callbacks.items():
            if getattr(callback, "weight_copies", 0):
                what = f"{name} averages whole weights, and hardware.sharding=fsdp cuts them"
                yield Problem("callbacks", what, "hardware.sharding=none, or callbacks=default")
