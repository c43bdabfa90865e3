"""While libraries are imported garbage is looked for seldom, and then as ever, but not among them."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from pipeline.runs.garbage import import_without_collecting, settle


class Ring:
    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def _collecting_stays_as_it_was() -> Iterator[None]:
    usual = gc.get_threshold()
    yield
    settle()
    assert gc.get_threshold() == usual


def test_seldom_until_it_settles() -> None:
    usual = gc.get_threshold()
    import_without_collecting()
    import_without_collecting()
    assert gc.get_threshold()[0] > 100 * usual[0]
    settle()
    assert gc.get_threshold() == usual and gc.get_freeze_count() > 0


def test_what_comes_later_is_found() -> None:
    import_without_collecting()
    settle()
    ring = Ring()
    seen = weakref.ref(ring)
    del ring
    gc.collect()
    assert seen() is None


def test_nothing_is_frozen_where_nobody_asked() -> None:
    before = gc.get_freeze_count()
    settle()
    assert gc.get_freeze_count() == before


def test_a_command_begins_with_it() -> None:
    code = (
        "import gc; from pipeline.compose.command_line import outcome;"
        "outcome(lambda: print(gc.get_threshold()[0]))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(said.stdout) == 200_000
