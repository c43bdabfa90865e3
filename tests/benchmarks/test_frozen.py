"""What the benchmark of a frozen backbone makes of its runs."""

import pytest

from benchmarks import frozen


def found(rounds: int = 2) -> list[dict]:
    """Rounds of which the second one found a machine half as fast."""
    seconds = {
        frozen.FIRST: 10.0,
        frozen.AGAIN: 5.0,
        frozen.OFF: 30.0,
        frozen.TRAINER: 40.0,
        frozen.GROUPED: 20.0,
    }
    return [
        {
            "round": number,
            "side": side,
            "accuracy": 0.75 if side != frozen.TRAINER else 0.73,
            "seconds": 2 * value * (1 + number),
            "cpu_seconds": value * (1 + number),
        }
        for number in range(rounds)
        for side, value in seconds.items()
    ]


def test_ratios_are_of_one_round() -> None:
    rows = {side: cells for side, *cells in frozen.table({"runs": found()})}
    assert rows[frozen.FIRST] == ["15", "1.00 ×", "30", "75.00"]
    assert rows[frozen.TRAINER] == ["60", "4.00 ×", "120", "73.00"]
    assert rows[frozen.AGAIN][1] == "0.50 ×"


def test_sides_must_score_alike() -> None:
    frozen._check(found())
    for side, accuracy in ((frozen.AGAIN, 0.7501), (frozen.GROUPED, 0.69)):
        runs = found()
        next(run for run in runs if run["side"] == side)["accuracy"] = accuracy
        with pytest.raises(RuntimeError):
            frozen._check(runs)
