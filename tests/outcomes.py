"""A command in this process, for tests that do not need a fresh one."""

import sys
from collections.abc import Callable

import pytest

from pipeline.compose.command_line import outcome


def code_of(main: Callable[[], None], *arguments: str) -> int:
    """The exit code of a command that is given ``arguments``."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["command", *arguments])
        outcome(main)
    assert isinstance(ended.value.code, int)
    return ended.value.code
