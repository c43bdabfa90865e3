"""One of several processes of a run: it keeps its own log, is watched, and reports how it ended."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from typing import TYPE_CHECKING

from pipeline.errors import FAILED, BadInput, Interrupted, Pruned
from pipeline.launch.agent import ATTENDED
from pipeline.launch.blame import cause, is_lost
from pipeline.launch.rank_log import keep_log
from pipeline.launch.work import work
from pipeline.runs import directory, ranks
from pipeline.runs.ranks import Report
from pipeline.training.watchdog import Watchdog, place_of_error, watching

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.launch.world import World
    from pipeline.runs.directory import RunDirectory

# So long the first process waits to hear why another one has gone.
_HEAR = 3.0


def attempt() -> str:
    """Which start of a run's processes this is."""
    words = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID", "SLURM_STEP_ID")
    return "-".join(os.environ[word] for word in (*words, "SLURM_RESTART_COUNT") if word in os.environ)


def take_part(run: RunDirectory, spec: RunSpec, place: World) -> None:
    """Do this process's part of the work.

    Raises Interrupted and Pruned; where torchrun waits for the processes, only in the first one, and not where a parent
    of ours does.
    Ends the process with code 1, once it has reported, where that fails: its own part is in its log. The first process
    tells why the run ended, unless its parent does.
    """
    log = keep_log(ranks.log_path(run, place.rank), on_terminal=place.rank == 0)
    report = Report(place.rank, attempt(), pid=os.getpid(), host=socket.gethostname())
    attended = ATTENDED in os.environ

    def at_end(report: Report) -> None:
        """The others are about to report the same hang."""
        ranks.wait_for_ends(run, report.attempt, place.size, _HEAR)
        if place.rank == 0 and not attended:
            _tell(run, report.attempt)

    parent = int(os.environ.get(ATTENDED, os.getppid()))
    watchdog = Watchdog(run, report, spec.hardware.timeout * 60, log, parent, at_end)
    try:
        with watching(watchdog):
            work(run, spec)
    except (Interrupted, Pruned, KeyboardInterrupt) as error:
        if place.starter != "torchrun":
            raise
        # For torchrun a process that leaves with another code has failed, and the others are killed.
        print(f"rank {place.rank}: {error or 'stopped'}", file=log, flush=True)
        if place.rank == 0 and not attended:
            # Nothing follows that would come after the run, such as a later stage. The others hear of it.
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted("stopped") from None
            raise
    except BaseException as error:  # noqa: BLE001  whatever it is, it is reported, and the process ends
        _fill(report, error)
        ranks.write(run, report)
        traceback.print_exc(file=log)
        log.flush()
        if place.rank == 0 and not attended:
            if report.kind == "lost":
                ranks.wait_for_ends(run, report.attempt, place.size, _HEAR)
            raise _told(run, report.attempt) from None
        raise SystemExit(FAILED) from None


def _fill(report: Report, error: BaseException) -> None:
    report.kind, report.error = "error", f"{type(error).__name__}: {error}"
    if isinstance(error, BadInput):
        report.kind, report.error, report.problems = "bad_input", str(error), ranks.as_data(error.problems)
    elif is_lost(error):
        report.kind = "lost"
    report.at = place_of_error(error)


def _told(run: RunDirectory, name: str) -> Exception:
    text, error = cause(run, ranks.read(run, name), {})
    run.update(state=directory.FAILED, error=text)
    return error


def _tell(run: RunDirectory, name: str) -> None:
    print(f"failed: {_told(run, name)}", file=sys.stderr, flush=True)
