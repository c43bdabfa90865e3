import pytest

from tests.fetch.fake_index import FakeIndex


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("HYDRATUNE_CACHE", str(folder))
    return folder


@pytest.fixture
def index(monkeypatch, tmp_path):
    """An index on this machine, and the only one that pip's settings name."""
    with FakeIndex() as served:
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_CERT", "PIP_NO_INDEX", "PIP_PROXY"):
            monkeypatch.delenv(name, raising=False)
        config = tmp_path / "pip.conf"
        config.write_text(f"[global]\nindex-url = {served.url}\nextra-index-url =\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
        served.config = config
        yield served
