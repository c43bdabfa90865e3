"""A request to stop is heard once, by whoever listens first, and forgotten when that is over."""

import signal
import threading
from pathlib import Path

import pytest

from pipeline import Run
from pipeline.errors import Interrupted
from pipeline.training import interruption
from tests.conftest import manifest_of
from tests.launch.trouble import trouble


@pytest.mark.parametrize("number", interruption.LISTENED)
def test_a_signal_sets_the_flag_and_says_which(number: int) -> None:
    before = signal.getsignal(number)
    with interruption.listening():
        assert not interruption.requested() and interruption.asked_by() is None
        signal.raise_signal(number)
        assert interruption.requested() and interruption.asked_by() == number
    assert signal.getsignal(number) == before and not interruption.requested()


def test_the_first_signal_counts_and_a_second_ctrl_c_stops_at_once() -> None:
    with interruption.listening():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGUSR2)
        assert interruption.asked_by() == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_listener_within_another_forgets_nothing() -> None:
    """A run of a sweep in this process: what it was told is told to the sweep."""
    with interruption.listening():
        with interruption.listening():
            signal.raise_signal(signal.SIGINT)
        assert interruption.requested()
        with interruption.listening():
            assert interruption.requested(), "the next one stops too"


def test_threads_leave_the_signals_alone() -> None:
    seen = []

    def work() -> None:
        with interruption.listening():
            seen.append(interruption.requested())

    with interruption.listening():
        signal.raise_signal(signal.SIGTERM)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen == [True] and interruption.requested()


def test_a_run_without_checkpoints_stops_too(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYDRATUNE_TRUST", "tests.launch.trouble")
    words = [*small, "callbacks=none", *trouble("ask", rank=0, step=3), f"paths.outputs={tmp_path}"]
    with pytest.raises(Interrupted, match="stopped after step 3; there is no checkpoint to go on from"):
        Run.train(words)
    (manifest,) = tmp_path.glob("*/*/*/manifest.json")
    assert manifest_of(manifest.parent)["state"] == "interrupted"
