"""What tests of launching share: a real cluster."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cluster.two_nodes import Cluster, why_not


@pytest.fixture(scope="session")
def _nodes() -> Iterator[Cluster]:
    """One for each process of pytest that asks for it: they do not know of each other."""
    if reason := why_not():
        pytest.skip(reason)
    with (
        TemporaryDirectory(prefix="slurm", ignore_cleanup_errors=True) as folder,
        Cluster(Path(folder)).running() as cluster,
    ):
        yield cluster


@pytest.fixture
def cluster(_nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Two idle nodes; what a test starts is sent there."""
    _nodes.wait_for(lambda: _nodes.states() == ["idle", "idle"] and not _nodes.jobs())
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, _nodes.environment[name])
    return _nodes
