"""What the first of several machines tells the others."""

import subprocess
import sys
import threading

import pytest
from torch.distributed import HashStore, PrefixStore, TCPStore

from pipeline.errors import Interrupted, RunFailed
from pipeline.launch.words import Words
from tests.conftest import ROOT


@pytest.fixture
def pair() -> tuple[Words, Words]:
    store = HashStore()
    return tuple(Words(PrefixStore("test", store), leads, 1, seconds=1) for leads in (True, False))  # type: ignore[return-value]


def heard(words: Words) -> list[str]:
    return list(words.runs())


def test_runs_in_their_order(pair: tuple[Words, Words]):
    leads, follows = pair
    assert leads.shared_before() is None
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(heard(follows)))
    thread.start()
    with leads.leading():
        for folder in "ab":
            leads.share(folder)
        follows.share("no word of those that follow counts")
    thread.join(5)
    assert found == ["a", "b"] and leads.shared_before() == "b"


def test_a_failure_is_told(pair: tuple[Words, Words]):
    leads, follows = pair
    follows._store.add("heard", 1)
    with pytest.raises(ValueError), leads.leading():
        raise ValueError("no data")
    with pytest.raises(RunFailed, match="the first machine, which prepares, has failed: ValueError: no data"):
        heard(follows)


def test_being_asked_to_stop_is_no_failure(pair: tuple[Words, Words]):
    leads, follows = pair
    follows._store.add("heard", 1)
    with pytest.raises(Interrupted), leads.leading():
        raise Interrupted
    assert heard(follows) == []


def test_silence_is_told_too(pair: tuple[Words, Words]):
    with pytest.raises(RunFailed, match=r"within 0.0166667 minutes .hardware.timeout.*pipeline.prepare"):
        heard(pair[1])


# One that keeps the store and leaves as soon as it may.
KEEPER = """
import os
from torch.distributed import TCPStore
from pipeline.launch.words import Words
store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
print(store.port, flush=True)
print(list(Words(store, False, 1, seconds=60).runs()), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("error", [None, ValueError("no data")])
def test_another_one_keeps_the_store_and_leaves_first(error: ValueError | None):
    keeper = subprocess.Popen([sys.executable, "-c", KEEPER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    store = TCPStore("localhost", int(keeper.stdout.readline()), is_master=False)
    raised = None
    try:
        with Words(store, True, 1, seconds=60).leading():
            if error is not None:
                raise error
    except ValueError as found:
        raised = found
    assert raised is error
    keeper.communicate(timeout=60)


def test_those_that_follow_wait_for_each_other():
    store = HashStore()
    words = [Words(PrefixStore("test", store), leads, 2, seconds=5) for leads in (True, False, False)]
    words[0]._say({"end": ""})
    first = threading.Thread(target=lambda: heard(words[1]))
    first.start()
    first.join(0.5)
    assert first.is_alive(), "the store may be its own"
    assert heard(words[2]) == []
    first.join(5)
    assert not first.is_alive()
