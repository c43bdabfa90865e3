import pytest


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("HYDRATUNE_CACHE", str(folder))
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder that the user stands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
