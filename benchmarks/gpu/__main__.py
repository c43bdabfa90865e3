"""How fast is a training step on one NVIDIA GPU, side by side with Hugging Face's Trainer?

    python -m benchmarks.gpu [--cases "1B full,8B lora"] [--steps N] [--seconds S]
    python -m benchmarks.gpu --quick          # tiny models, on a CPU too: does it run?

Llama-like models with random weights, made on the GPU; packed synthetic documents. The two sides take turns in one
process. A case that fails is recorded with its error; results are written after every case.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.gpu.cases import CASES, QUICK, Case

OUTPUT = Path(__file__).parents[1] / "results" / "gpu.json"


def main(arguments: Sequence[str] | None = None) -> None:
    import torch

    options = _parse(arguments)
    there = torch.cuda.is_available()
    if not there and not options.quick:
        print("No NVIDIA GPU here, so nothing is measured (--quick tries the benchmark on a CPU).")
        return
    import transformers

    from benchmarks.gpu import report
    from benchmarks.gpu.arithmetic import datasheet, measured
    from benchmarks.gpu.measuring import measure

    transformers.logging.set_verbosity_error()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore")
    device = torch.device("cuda", 0) if there else torch.device("cpu")
    peaks = {
        "datasheet": datasheet(torch.cuda.get_device_name(device)) if there else None,
        "measured": measured(device) if there else None,
    }
    settings = {name: getattr(options, name) for name in ("warmup", "steps", "seconds", "rounds")}
    result = report.begin(device, peaks, settings)
    result["stamp"]["commit"] = result["stamp"]["commit"] or options.commit
    for case in cases_of(options):
        case = replace(case, batch=options.batch or case.batch)
        result["cases"].append(measure(case, device=device, **settings))
        if options.output:
            report.write(result, options.output)
    print(report.markdown(report.table(result), report.COLUMNS))


def cases_of(options: argparse.Namespace) -> list[Case]:
    every = QUICK if options.quick else CASES
    return [case for case in every if not options.cases or case.name in options.cases]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="Time training steps.")
    parser.add_argument(
        "--quick", action="store_true", help="tiny models; writes nothing unless --output is given"
    )
    parser.add_argument("--cases", type=lambda text: text.split(","), help="names, with commas; default: all")
    parser.add_argument("--batch", type=int, help="sequences a step, for all cases")
    parser.add_argument("--warmup", type=int, default=3, help="steps before the timed ones")
    parser.add_argument("--steps", type=int, default=10, help="timed steps")
    parser.add_argument("--seconds", type=float, default=4.0, help="no timed step begins later than this")
    parser.add_argument("--rounds", type=int, default=2, help="times that each side has its turn")
    parser.add_argument("--commit", help="of these files, where they are no checkout of git")
    parser.add_argument("--output", type=Path, help=f"default: {OUTPUT.name} beside the other results")
    options = parser.parse_args(arguments)
    known = [case.name for case in (QUICK if options.quick else CASES)]
    if unknown := [name for name in options.cases or () if name not in known]:
        parser.error(f"--cases: no {', '.join(unknown)}; there are {', '.join(known)}")
    options.output = options.output or (None if options.quick else OUTPUT)
    return options


if __name__ == "__main__":
    main()
