"""What of ours is in Slurm's queue. squeue is always there; sacct needs a database that many clusters lack."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence

# The controller of a large cluster is asked seldom, and once for all jobs.
_ASK_EVERY_SECONDS = 3.0


class Queue:
    """The jobs of this user that wait, run, or are about to end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._jobs: frozenset[str] | None = None

    def has(self, job: str) -> bool:
        """Whether the job (``12``, of an array ``12_3``) is there, as of a few seconds ago; where Slurm does not
        answer, it is taken to be."""
        with self._lock:
            if time.monotonic() - self._asked_at > _ASK_EVERY_SECONDS:
                self._jobs = self._ask()
                self._asked_at = time.monotonic()
            return self._jobs is None or job in self._jobs

    def forget(self) -> None:
        """Ask anew next time: a job has been submitted."""
        with self._lock:
            self._asked_at = float("-inf")

    def stop(self, jobs: Sequence[str]) -> None:
        """Take back those that wait, and tell those that run to leave, in as much time as they need."""
        for words in (["--state=PENDING"], ["--state=RUNNING", "--signal=TERM"]):
            subprocess.run(["scancel", *words, *jobs], capture_output=True, timeout=60, check=False)

    def _ask(self) -> frozenset[str] | None:
        try:
            asked = subprocess.run(
                ["squeue", "--noheader", "--array", "--me", "--format=%i"],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return frozenset(asked.stdout.split())


QUEUE = Queue()
