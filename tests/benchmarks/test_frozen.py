"""What the benchmark of a frozen backbone makes of its runs."""

import subprocess
import sys

import pytest

from benchmarks import frozen
from benchmarks.cpu_seconds import cpu_seconds, orphans_too


def found(rounds: int = 2) -> list[dict]:
    """Rounds of which the second one found a machine half as fast."""
    seconds = {
        frozen.FIRST: 10.0,
        frozen.AGAIN: 5.0,
        frozen.OFF: 30.0,
        frozen.TRAINER: 40.0,
        frozen.SWEEP: 20.0,
        frozen.GROUPED: 20.0,
    }
    return [
        {
            "round": number,
            "side": side,
            "accuracy": 0.75 if side != frozen.TRAINER else 0.73,
            "seconds": 2 * value * (1 + number),
            "cpu_seconds": value * (1 + number),
            "memory": 2**30,
        }
        for number in range(rounds)
        for side, value in seconds.items()
    ]


def test_ratios_are_of_one_round() -> None:
    rows = {side: cells for side, *cells in frozen.table({"runs": found()})}
    assert rows[frozen.FIRST] == ["15", "1.00 ×", "30", "1.00 ×", "1,024", "75.00"]
    assert rows[frozen.TRAINER] == ["60", "4.00 ×", "120", "4.00 ×", "1,024", "73.00"]
    assert rows[frozen.AGAIN][1] == "0.50 ×"
    # 16 runs of 40 seconds in place of a sweep of 20.
    assert rows[f"{frozen.TRAINER}, 16 times"][:2] == ["960", "32.0 × the sweep's"]


def test_sides_must_score_alike() -> None:
    frozen._check(found())
    frozen._check([run for run in found() if run["side"] in (frozen.FIRST, frozen.TRAINER)])
    for side, accuracy in ((frozen.AGAIN, 0.7501), (frozen.SWEEP, 0.76), (frozen.GROUPED, 0.69)):
        runs = found()
        next(run for run in runs if run["side"] == side)["accuracy"] = accuracy
        with pytest.raises(RuntimeError):
            frozen._check(runs)


def test_the_sweep_has_the_default_among_its_rates() -> None:
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load

    spec = load(compose(["model=bert", "strategy=frozen_backbone"]))
    assert spec.optimizer.lr == frozen.RATES[0] and len(set(frozen.RATES)) == 16


def test_processes_that_are_left_are_counted() -> None:
    script = "import os\nif os.fork() == 0:\n    sum(range(20_000_000))\n"
    before = cpu_seconds()
    # One that was there is not waited for.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        with orphans_too():
            subprocess.run([sys.executable, "-c", script], check=True)
        assert other.poll() is None
        other.communicate(b"\n")
    assert cpu_seconds() - before > 0.05
