"""What a job prints, kept in its run's directory."""

import os
import sys

from pipeline.runs.directory import RunDirectory


def into_logs(run: RunDirectory) -> None:
    """Send what this process and those that it starts print to logs/stdout.log and logs/stderr.log, after what is
    there already."""
    run.logs.mkdir(exist_ok=True)
    for stream, number, name in ((sys.stdout, 1, "stdout"), (sys.stderr, 2, "stderr")):
        stream.flush()
        sink = os.open(run.logs / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(sink, number)
        os.close(sink)
