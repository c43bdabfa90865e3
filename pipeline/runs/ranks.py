"""What each process of a run reports of itself in the run's directory: logs/.rank0.json beside logs/rank0.log.

Whoever started the processes reads it when they have ended, and so does the first of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import Problem
from pipeline.runs.directory import RunDirectory, write_whole


@dataclass
class Report:
    """attempt: which start of the processes it is from. marks: how many places of the program it has passed, and
    last the newest of them. at: where in the code it stood when it failed or was taken to hang.

    kind: empty while it works; error, bad_input, lost (another process went away) or hang.
    """

    rank: int
    attempt: str
    pid: int = 0
    host: str = ""
    marks: int = 0
    last: str = "start"
    kind: str = ""
    error: str = ""
    at: str = ""
    waits: bool = False
    problems: tuple[dict[str, Any], ...] = ()


def report_path(run: RunDirectory, rank: int) -> Path:
    return run.logs / f".rank{rank}.json"


def log_path(run: RunDirectory, rank: int) -> Path:
    """What the process wrote on stdout and stderr."""
    return run.logs / f"rank{rank}.log"


def write(run: RunDirectory, report: Report) -> None:
    run.logs.mkdir(exist_ok=True)
    write_whole(report_path(run, report.rank), json.dumps(asdict(report)))


def read(run: RunDirectory, attempt: str) -> list[Report]:
    """The reports of one start, by rank."""
    found = [Report(**json.loads(path.read_text())) for path in run.logs.glob(".rank*.json")]
    return sorted((each for each in found if each.attempt == attempt), key=lambda each: each.rank)


def wait_for_ends(run: RunDirectory, attempt: str, size: int, seconds: float) -> None:
    """Wait until all processes have reported how they ended; one that was killed never does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and sum(bool(each.kind) for each in read(run, attempt)) < size:
        time.sleep(0.05)


def as_data(problems: Iterable[Problem]) -> tuple[dict[str, Any], ...]:
    """Problems as a report holds them."""
    keys = ("where", "what", "allowed", "nearest")
    return tuple({key: getattr(problem, key) for key in keys} for problem in problems)
