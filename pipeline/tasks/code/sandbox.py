"""Programs that a model wrote, run apart: whether they end by themselves, or what stopped them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem

_CHILD = Path(__file__).with_name("confined_program.py")
# What a program may say of itself, in bytes; more is not read.
_MOST = 4_096
_MB = 2**20


@dataclass(frozen=True)
class Outcome:
    """passed: whether the program ended by itself. what: what stopped it, or ``""``."""

    passed: bool
    what: str = ""


@component
class Sandbox:
    """How much a program may take.

    It runs in a fresh Python in an empty folder, with an empty environment and without input, and what it prints is
    thrown away. Linux keeps it from starting processes, from the network and from every file but Python's own and
    those in its folder, which is deleted (see `confined_program.py`); elsewhere only the limits hold.
    """

    # Processor time of a program.
    seconds: Annotated[int, Field(ge=1)] = 5
    # Longest time that it may take with all its waiting. null: twice the above.
    wall_seconds: Annotated[float, Field(gt=0)] | None = None
    # Memory in MiB.
    memory: Annotated[int, Field(ge=64)] = 512
    # Largest file that it may write, in MiB.
    file_size: Annotated[int, Field(ge=0)] = 1
    # Programs at a time. null: as many as there are processors.
    at_once: Annotated[int, Field(ge=1)] | None = None

    def check(self) -> None:
        """Raises BadInput where a process cannot be limited."""
        if os.name != "posix":
            what = "programs cannot be limited on this system"
            raise BadInput(Problem("task.run_tests", what, "false, or Linux or macOS"))

    def run_all(self, programs: Sequence[str]) -> list[Outcome]:
        """The outcome of each program, in order."""
        with ThreadPoolExecutor(self.at_once or os.cpu_count() or 1) as pool:
            return list(pool.map(self.run, programs))

    def run(self, program: str) -> Outcome:
        """Run one program to its end, or to that of its time."""
        return self._run(program)[0]

    def protections(self) -> list[str]:
        """What is in force on this machine: ``limits``, ``landlock``, ``seccomp``."""
        return self._run("")[1]

    def _run(self, program: str) -> tuple[Outcome, list[str]]:
        # Only one who has read it can say it, and the program comes after it has been read.
        word = secrets.token_hex(16)
        request = {
            "program": program,
            "word": word,
            "seconds": self.seconds,
            "memory": self.memory * _MB,
            "file_size": self.file_size * _MB,
        }
        with tempfile.TemporaryDirectory(prefix="sandbox") as folder:
            said, late = self._talk(json.dumps(request), folder)
        ready, _, answer = said.partition("\n")
        if not ready.startswith("ready"):
            raise RuntimeError(f"the sandbox did not start: {said!r}")
        in_force = ready.split()[1:]
        if late:
            return Outcome(False, "took too long"), in_force
        if answer == word:
            return Outcome(True), in_force
        return Outcome(False, answer or "ended by the system (time, memory or a forbidden act)"), in_force

    def _talk(self, request: str, folder: str) -> tuple[str, bool]:
        """What the process wrote to its answer, and whether its time ran out."""
        ours, theirs = os.pipe()
        with os.fdopen(ours, "rb") as answer:
            process = subprocess.Popen(
                [sys.executable, "-I", "-B", str(_CHILD), str(theirs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={"HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8"},
                pass_fds=[theirs],
                start_new_session=True,
            )
            os.close(theirs)
            late = False
            try:
                process.communicate(request.encode(), timeout=self.wall_seconds or 2 * self.seconds)
            except subprocess.TimeoutExpired:
                late = True
            finally:
                # Whatever it started is of its group.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.kill()
                process.wait()
            os.set_blocking(ours, False)
            return (answer.read(_MOST) or b"").decode(errors="replace"), late
