"""What the first of several machines tells the others."""

import threading

import pytest
from torch.distributed import HashStore, PrefixStore

from pipeline.errors import Interrupted, RunFailed
from pipeline.launch.words import Words


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
