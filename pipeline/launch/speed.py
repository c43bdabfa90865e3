"""How fast a machine would train a model: an estimate, from the arithmetic that a token takes and one measurement."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.runs.identity import digest

if TYPE_CHECKING:
    from torch import nn

    from pipeline.launch.machine import Machine

# Of the rate of one large matrix product, what training reaches: norms, softmax, the optimizer and everything else that
# is no large product takes time too. Measured on a 2-core CPU, see docs/decisions.md.
SHARE = 0.5
_SIZE, _ROUNDS, _SECONDS = 1_024, 8, 0.1
_FORMAT = 1


def flops_per_token(model: nn.Module) -> int:
    """Floating-point operations of one training step for each token, from an adapted model (on any device).

    Two for each weight of a matrix in the forward pass, as many in the backward pass from the output down to the first
    trained matrix, and as many for each trained one (Kaplan et al. 2020, arXiv:2001.08361, section 2.1: 6 N where all
    are trained). What attention computes between tokens is left out.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    matrices = [
        module.weight
        for module in model.modules()
        if isinstance(module, nn.Linear | Conv1D) and module.weight.ndim == 2
    ]
    sizes = [weight.numel() for weight in matrices]
    trained = [weight.requires_grad for weight in matrices]
    first = trained.index(True) if any(trained) else len(sizes)
    if any(p.requires_grad for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()):
        first = 0  # The gradient has to come all the way down to them.
    return 2 * (
        sum(sizes)
        + sum(sizes[first:])
        + sum(n for n, is_trained in zip(sizes, trained, strict=True) if is_trained)
    )


def tokens_per_second(flops: int, machine: Machine) -> float:
    """Of all processes together; an estimate."""
    return SHARE * machine.world_size * matrix_rate(machine) / max(flops, 1)


def matrix_rate(machine: Machine) -> float:
    """Floating-point operations per second of a matrix product as one process would compute it. Measured once for a
    machine and kept in the cache."""
    import torch

    from pipeline.fetch.cache import entry

    name = torch.cuda.get_device_name() if machine.accelerator == "gpu" else _processor()
    key = [_FORMAT, name, machine.accelerator, machine.precision, machine.threads, torch.__version__]

    def measure(path: Path) -> None:
        path.write_text(json.dumps({"machine": key, "flops_per_second": measured_rate(machine)}))

    return json.loads(entry("speed", digest(key), measure).read_text())["flops_per_second"]


def measured_rate(machine: Machine) -> float:
    """The same, measured now."""
    import torch

    dtype = {"32": torch.float32, "bf16": torch.bfloat16, "16": torch.float16}[machine.precision]
    device = torch.device({"gpu": "cuda"}.get(machine.accelerator, machine.accelerator))
    size = _SIZE if machine.accelerator == "cpu" else 8 * _SIZE
    before = torch.get_num_threads()
    torch.set_num_threads(machine.threads)
    try:
        one, other = (torch.ones(size, size, dtype=dtype, device=device) for _ in range(2))
        products, rates = 1, []
        for _ in range(1 + _ROUNDS):  # The first one warms up; the best of the others was disturbed least.
            start = time.perf_counter()
            for _ in range(products):
                result = one @ other
            float(result[0, 0])  # A GPU is waited for.
            took = time.perf_counter() - start
            rates.append(2 * size**3 * products / took)
            products = max(1, int(_SECONDS * rates[-1] / (2 * size**3)))
    finally:
        torch.set_num_threads(before)
    return max(rates[1:])


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
