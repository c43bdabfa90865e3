"""What a run saved is compared with what it trained, in another process."""

import json
import math
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from pipeline.models.loading import quiet
from pipeline.runs import reload_server, verification
from pipeline.runs.verification import TOLERANCE, ModelDiffers, outputs, verify

TEXTS = ["a wonderful film", "dreadful"]


@pytest.fixture
def saved(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished / "model", tmp_path / "model")


def check(folder: Path, original: Path) -> float:
    with quiet():  # One thread at a time.
        tokenizer = AutoTokenizer.from_pretrained(original)
        model = AutoModelForSequenceClassification.from_pretrained(original)
    inputs = dict(tokenizer(TEXTS, padding=True, return_tensors="pt"))
    expected = outputs(model, inputs)
    return verify(folder, "AutoModelForSequenceClassification", inputs, expected, tokenizer, TEXTS)


def test_the_same_model_is_the_same(saved: Path, finished: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipeline.runs.verification.fresh_python", lambda: sys.executable)
    assert check(saved, finished / "model") <= 1e-6


def test_one_wrong_weight_is_noticed(saved: Path, finished: Path):
    weights = load_file(saved / "model.safetensors")
    weights["classifier.bias"] = weights["classifier.bias"] + torch.tensor([2 * TOLERANCE, 0.0])
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelDiffers, match="computes something else"):
        check(saved, finished / "model")


@pytest.mark.parametrize("wrong", ["first", "second"])
def test_no_number_in_one_of_several_outputs_is_noticed(
    wrong: str, saved: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
):
    def reload(words: list[str]) -> tuple[int, str]:
        made = {name: torch.full((2,), math.nan if name == wrong else 1.0) for name in ("first", "second")}
        save_file(made, words[2])
        return 0, ""

    monkeypatch.setattr(verification, "_reload", reload)
    tokenizer = AutoTokenizer.from_pretrained(finished / "model")
    expected = {name: torch.ones(2) for name in ("first", "second")}
    with pytest.raises(ModelDiffers, match="differ by nan"):
        verify(saved, "AutoModel", {"input_ids": torch.ones(1, 1)}, expected, tokenizer, TEXTS)


@pytest.mark.slow
def test_a_lost_head_is_noticed(saved: Path, finished: Path):
    weights = load_file(saved / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelDiffers, match=r"weights do not fit|does not load"):
        check(saved, finished / "model")


def test_another_tokenizer_is_noticed(saved: Path, finished: Path):
    path = saved / "tokenizer.json"
    content = json.loads(path.read_text())
    words = content["model"]["vocab"]
    words["film"], words["music"] = words["music"], words["film"]
    path.write_text(json.dumps(content))
    with pytest.raises(ModelDiffers, match="tokenizer"):
        check(saved, finished / "model")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Where one listens that has imported its libraries cold, as for a sweep."""
    place = tmp_path / "socket"
    begun = subprocess.Popen([sys.executable, "-I", verification._SERVER, tmp_path], stdin=subprocess.PIPE)
    while not place.exists():
        assert begun.poll() is None
        time.sleep(0.05)
    yield str(place)
    begun.communicate(timeout=10)  # It ends with its standard input.
    assert begun.returncode == 0


@pytest.mark.slow
def test_jobs_of_a_sweep_ask_one_that_has_imported_already(
    server: str, saved: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(reload_server.PLACE, server)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it is not asked"))
    assert check(saved, finished / "model") <= 1e-6
    # What is wrong is told as by a process of its own, and the next model is not concerned.
    weights = load_file(saved / "model.safetensors")
    bias = weights.pop("classifier.bias")
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelDiffers, match=r"weights do not fit.*classifier\.bias"):
        check(saved, finished / "model")
    save_file(weights | {"classifier.bias": bias}, saved / "model.safetensors", metadata={"format": "pt"})
    with ThreadPoolExecutor(4) as several:
        found = list(several.map(lambda _: check(saved, finished / "model"), range(4)))
    assert max(found) <= 1e-6


FORKING = """
import os, signal, subprocess, sys, time
from pathlib import Path
from pipeline.models.loading import quiet
from pipeline.runs import reload_server, verification

verification.fork_reloads()
place = Path(os.environ[reload_server.PLACE])
while not place.exists():
    time.sleep(0.01)
subprocess.run = None
from tests.runs.test_verification import check
print(Path("/proc/self/task", str(os.getpid()), "children").read_text(), flush=True)
print(check(Path(sys.argv[1]), Path(sys.argv[2])), flush=True)
print(check(Path(sys.argv[1]), Path(sys.argv[2])), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a run is forked on Linux only")
def test_a_run_by_itself_reloads_in_a_fork_that_ends_with_it(saved: Path, finished: Path):
    words = [sys.executable, "-c", FORKING, str(saved), str(finished / "model")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert done.returncode == -signal.SIGKILL, done.stderr
    server, *differences = done.stdout.splitlines()
    assert [float(number) <= 1e-6 for number in differences] == [True, True]
    for _ in range(200):
        if not Path("/proc", server.strip()).exists():
            break
        time.sleep(0.05)
    else:
        pytest.fail("it outlives the run that it belongs to")


def test_where_nobody_answers_a_process_of_its_own_reloads(
    saved: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(reload_server.PLACE, str(tmp_path / "gone"))
    assert check(saved, finished / "model") <= 1e-6


def test_where_the_answer_does_not_come_a_process_of_its_own_reloads(
    saved: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(reload_server.PLACE, str(tmp_path / "silent"))
    monkeypatch.setattr(reload_server, "PATIENCE_SECONDS", 0.1)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        assert check(saved, finished / "model") <= 1e-6
