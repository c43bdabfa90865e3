"""Checkpoints are found, told apart and identified by their bytes."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.numpy

from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.origin import folder_fingerprint


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))


# The smallest file of weights: a header without tensors.
EMPTY = safetensors.numpy.save({})


def fake_checkpoint(folder: Path, weights: bytes = EMPTY) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def problem(checkpoint: str, **options: str) -> str:
    with pytest.raises(BadInput) as raised:
        Checkpoint(checkpoint=checkpoint, **options).locate()
    return str(raised.value)


def test_a_folder_is_itself_and_a_run_is_its_model(tmp_path: Path) -> None:
    plain = fake_checkpoint(tmp_path / "plain")
    run = tmp_path / "run"
    fake_checkpoint(run / "model")
    (run / "manifest.json").write_text("{}")
    assert Checkpoint(checkpoint=str(plain)).locate().folder == str(plain)
    located = Checkpoint(checkpoint=str(run)).locate()
    assert located.folder == str(run / "model")
    assert located.commit is None
    assert located.fingerprint == folder_fingerprint(plain), "the same bytes elsewhere"


def test_an_unfinished_run_has_no_model(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    assert "no model yet" in problem(str(tmp_path))


def test_the_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    one = fake_checkpoint(tmp_path / "one", b"1")
    before = folder_fingerprint(one)
    assert before == folder_fingerprint(one)
    (one / "model.safetensors").write_bytes(b"22")
    assert folder_fingerprint(one) != before
    lines = [
        f"{file.name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in sorted(one.iterdir())
    ]
    assert folder_fingerprint(one) == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_fingerprint_is_cached_by_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = fake_checkpoint(tmp_path / "one")
    before = folder_fingerprint(one)

    def never(*_: object) -> None:
        raise AssertionError("hashed again")

    monkeypatch.setattr(hashlib, "file_digest", never)
    assert folder_fingerprint(one) == before


def test_a_mistyped_folder_names_the_nearest(tmp_path: Path) -> None:
    fake_checkpoint(tmp_path / "my_model")
    message = problem(str(tmp_path / "my_modle"))
    assert "there is no folder" in message
    assert f"did you mean: {tmp_path / 'my_model'}" in message


@pytest.mark.parametrize("path", ["/no/where", "./nothing", "../a/b", "a/b/c", "~/none_such"])
def test_a_path_is_never_asked_of_the_hub(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("asked the hub")

    monkeypatch.setattr("pipeline.fetch.hub.snapshot", never)
    assert "there is no folder" in problem(path)


def test_a_file_is_not_a_checkpoint(tmp_path: Path) -> None:
    weights = fake_checkpoint(tmp_path / "one") / "model.safetensors"
    assert "is a file" in problem(str(weights))


def test_old_weights_of_the_hub_are_read_only_without_safetensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def snapshot(
        repo_id: str, revision: str | None, *, repo_type: str, patterns: list[str], where: str
    ) -> tuple[Path, str]:
        assert (repo_id, revision, repo_type, where) == ("org/name", "v1", "model", "model.checkpoint")
        asked.append(patterns)
        if any(".bin" in pattern for pattern in patterns):
            (tmp_path / "pytorch_model.bin").touch()
        return tmp_path, "abc"

    monkeypatch.setattr("pipeline.fetch.hub.snapshot", snapshot)
    located = Checkpoint(checkpoint="org/name", revision="v1").locate()
    assert located.commit == "abc" and "abc" in located.fingerprint
    assert [any(".bin" in pattern for pattern in patterns) for patterns in asked] == [False, True]
    (tmp_path / "model.safetensors").write_bytes(EMPTY)
    asked.clear()
    Checkpoint(checkpoint="org/name", revision="v1").locate()
    assert len(asked) == 1


@pytest.mark.parametrize("value", ["???", "", "  "])
def test_a_checkpoint_must_be_named(value: str) -> None:
    with pytest.raises(ValueError, match="name a checkpoint"):
        Checkpoint(checkpoint=value)


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    folder = fake_checkpoint(tmp_path / "one")
    code = (
        "import sys\nfrom pipeline.models.checkpoint import Checkpoint\n"
        "import pipeline.tasks.text_classification, pipeline.strategies.lora\n"
        "import pipeline.strategies.full, pipeline.strategies.frozen_backbone\n"
        f"Checkpoint(checkpoint={str(folder)!r}).locate()\n"
        "heavy = {'torch', 'transformers', 'datasets', 'peft', 'torchmetrics'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
