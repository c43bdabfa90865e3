import socket
import time

import pytest

from tests.fetch.fake_hub import COMMIT, FakeHub, run_with_hub

READ = """
from pipeline.errors import BadInput
from pipeline.fetch.hub import snapshot
try:
    options = dict(repo_type={kind!r}, patterns={patterns!r}, where="model.checkpoint")
    folder, commit = snapshot({repo!r}, {revision!r}, **options)
    print(commit, *sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()))
except BadInput as bad:
    print(bad)
"""


@pytest.fixture
def hub():
    with FakeHub() as served:
        served.repos["models/owner/name"] = {
            "config.json": b"{}",
            "model.safetensors": b"w",
            "flax.msgpack": b"f",
        }
        yield served


@pytest.fixture
def read(hub, tmp_path):
    def run(
        repo="owner/name", revision=None, kind="model", patterns=("*.json", "*.safetensors"), **environment
    ):
        code = READ.format(repo=repo, revision=revision, kind=kind, patterns=patterns)
        return run_with_hub(
            code, **{"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), **environment}
        ).strip()

    return run


def test_files_and_commit(read, hub):
    assert read() == f"{COMMIT} config.json model.safetensors"
    assert not [request for request in hub.requests if "flax" in request]
    assert read(revision="v1") == f"{COMMIT} config.json model.safetensors"


def test_fetched_once_it_is_read_without_a_network(read):
    expected = read()
    assert read(HF_HUB_OFFLINE="1") == expected
    assert read(HF_ENDPOINT="http://127.0.0.1:9") == expected


def test_cache_laid_out_by_hand(read, tmp_path):
    repo = tmp_path / "hf/hub/models--some--model"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs/main").write_text(COMMIT)
    (repo / "snapshots" / COMMIT).mkdir(parents=True)
    (repo / "snapshots" / COMMIT / "config.json").write_text("{}")
    assert read("some/model", HF_HUB_OFFLINE="1") == f"{COMMIT} config.json"


def test_not_found(read):
    message = read("owner/nothing")
    assert message.startswith("model.checkpoint: there is no model 'owner/nothing'")
    assert "hf auth login" in message


def test_gated(read, hub):
    hub.repos["models/owner/gated"] = "GatedRepo"
    message = read("owner/gated")
    assert "accept it at" in message
    assert f"{hub.url}/owner/gated" in message
    assert "HF_TOKEN" in message


def test_unknown_revision_is_the_revisions_fault(read):
    assert read(revision="v9").startswith("model.revision: owner/name has no revision 'v9'")


def test_not_an_id(read):
    assert "no hub id" in read("a/b/c")


def test_no_file_of_that_kind(read):
    assert "has no file like *.gguf" in read(patterns=("*.gguf",))


def test_broken_hub(read, hub, monkeypatch):
    monkeypatch.setattr(hub, "respond", lambda path, body: (500, b"{}", {}))
    message = read()
    assert message.startswith("model.checkpoint: ")
    assert "owner/name" in message


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_unreachable_hub_is_said_soon(read, kind):
    start = time.monotonic()
    message = read("owner/other", kind=kind, HF_ENDPOINT="http://127.0.0.1:9")
    assert "the hub at http://127.0.0.1:9 cannot be reached" in message
    assert "check the network" in message
    assert ("--repo-type dataset" in message) == (kind == "dataset")
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_forbidden_network_names_the_variable(read, variable):
    message = read("owner/other", **{variable: "1"})
    assert f"{variable}=1 forbids the network" in message
    assert f"unset {variable}" in message


def test_silent_hub_is_given_up(read):
    """A hub that takes connections and never answers, as behind some firewalls."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        message = read(HF_ENDPOINT=url, HF_HUB_ETAG_TIMEOUT="2")
        assert "cannot be reached" in message
        assert time.monotonic() - start < 20
