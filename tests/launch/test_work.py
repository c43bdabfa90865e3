"""What the manifest says of a run that ended badly."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.launch import work as working
from pipeline.launch.world import World
from pipeline.runs.freezing import freeze
from tests.specs import prepared, spec_of

LOST = RuntimeError("[gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:44977: Connection reset by peer")


@pytest.mark.parametrize(
    ("error", "size", "state"),
    [
        (LOST, 1, "failed"),
        (LOST, 2, "running"),  # Why the other one has gone is for others to say.
        (ValueError("of its own"), 2, "failed"),
        (KeyboardInterrupt(), 2, "interrupted"),
    ],
)
def test_how_it_ended(
    error: BaseException, size: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: Any) -> None:
        raise error

    spec = spec_of(["logger=none", f"paths.outputs={tmp_path}"])
    run = freeze(spec, prepared(), {})
    monkeypatch.setattr(working, "_work", fail)
    monkeypatch.setattr(working, "world", lambda: World(size=size))
    with pytest.raises(type(error)):
        working.work(run, spec)
    assert run.state == state
    assert bool(run.manifest()["error"]) == (state == "failed")
