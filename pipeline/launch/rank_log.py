"""What a process writes on stdout and stderr, in a file; the first process's is on the terminal too."""

from __future__ import annotations

import faulthandler
import os
import re
import sys
from pathlib import Path
from typing import Any, TextIO

# What moves a terminal's cursor, as a progress bar does.
_FOR_TERMINALS = re.compile(r"\x1b\[[0-9?]*[A-HJKhl]|\r(?!\n)")


class Both:
    """A stream whose text goes into a log too."""

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        if not _FOR_TERMINALS.search(text):
            self._log.write(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def keep_log(path: Path, *, on_terminal: bool) -> TextIO:
    """From here on this process writes into `path`, after what an earlier start of it wrote; the open file.

    Not `on_terminal` this is everything, also of libraries in C and of processes that it starts. Else it is what Python
    writes. The stacks of a process that crashes are there in any case.
    """
    path.parent.mkdir(exist_ok=True)
    log = path.open("a", encoding="utf-8", buffering=1)
    if on_terminal:
        sys.stdout, sys.stderr = Both(sys.stdout, log), Both(sys.stderr, log)
    else:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    faulthandler.enable(file=log)
    return log
