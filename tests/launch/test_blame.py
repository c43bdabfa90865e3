"""Which of several processes is named as the cause of a run's end."""

from pathlib import Path

import pytest

from pipeline.errors import BadInput, RunFailed
from pipeline.launch.blame import can_start_again, cause
from pipeline.runs.directory import RunDirectory
from pipeline.runs.ranks import Report, read, write

RUN = RunDirectory(Path("/runs/one"))


def report(rank: int, kind: str = "", **facts: object) -> Report:
    return Report(rank, "one", kind=kind, **facts)  # type: ignore[arg-type]


LOST = report(0, "lost", error="RuntimeError: Connection closed by peer")


@pytest.mark.parametrize(
    ("reports", "codes", "said", "again"),
    [
        ([LOST, report(1, "error", error="ValueError: x", at="a.py:3 f")], {0: 1, 1: 1},
         "rank 1: ValueError: x (a.py:3 f); its log: /runs/one/logs/rank1.log", False),
        ([report(0, "error", error="Diverged: nan"), report(1, "error", error="Diverged: nan")], {0: 1},
         "Diverged: nan", False),
        ([LOST, report(1)], {0: -15, 1: -9}, "rank 1 was killed (SIGKILL, as the system does when memory", True),
        ([report(0), report(1)], {0: -11}, "rank 0 was killed (SIGSEGV)", True),
        ([LOST, report(1)], {0: 1}, "rank 0 lost the others: RuntimeError", True),
        ([], {}, "rank 0 ended with code 1", True),
        ([report(0, "hang", marks=9, last="b", at="x"), report(1, "hang", marks=7, last="a", at="y")], {0: 1},
         "the processes hang: rank 1 did not arrive where the others wait", False),
        ([report(0, "hang", marks=9), report(1), report(2, "hang", marks=9)], {0: 1},
         "the processes hang: rank 1 did not arrive", False),
        ([report(0, "hang", marks=7, waits=True), report(1, "hang", marks=7), report(2, "hang", marks=7)], {0: 1},
         "the processes hang: ranks 1, 2 did not arrive", False),
        ([report(0, "hang", marks=7), report(1, "hang", marks=7)], {0: 1}, "hang, and none is behind", False),
    ],
)  # fmt: skip
def test_cause(reports: list[Report], codes: dict[int, int], said: str, again: bool):
    text, error = cause(RUN, reports, codes)
    assert said in text and isinstance(error, RunFailed) and str(error) == text
    assert can_start_again(reports) is again


def test_bad_input_stays_bad_input(tmp_path: Path):
    run = RunDirectory(tmp_path)
    problem = {"where": "task", "what": "does not fit", "allowed": "another", "nearest": ""}
    write(run, report(1, "bad_input", error="task: does not fit", problems=(problem,)))
    write(run, Report(0, "an earlier start", kind="error"))
    (found,) = read(run, "one")
    text, error = cause(run, [found], {1: 1})
    assert isinstance(error, BadInput) and str(error.problems[0]).startswith("task: does not fit")
    assert text == "BadInput: task: does not fit" and not can_start_again([found])
