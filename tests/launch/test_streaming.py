"""Runs whose training rows are streamed: refused where they cannot be, the same on any hardware, and nothing stored."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from pipeline import Run
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from pipeline.data.prepare import load_splits
from pipeline.errors import BadInput, RunFailed
from pipeline.launch.ready import get_ready
from tests.conftest import Command, environment, manifest_of, only_run
from tests.launch.test_resume import outcome, wait_for


@pytest.fixture(scope="module")
def files(reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The made-up reviews as two files to train on and one to validate on."""
    with reviews.open(newline="") as file:
        rows = [{"text": text, "label": label} for text, label in list(csv.reader(file))[1:]]
    folder = tmp_path_factory.mktemp("streamed")
    parts = {"a": rows[:120], "b": rows[120:203], "held_out": rows[203:]}
    for name, some in parts.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    return {name: folder / f"{name}.jsonl" for name in parts}


@pytest.fixture
def keys(tiny_bert: Path, files: dict[str, Path]) -> list[str]:
    return [
        "model=auto",
        f"model.checkpoint={tiny_bert}",
        "data=files",
        f"data.train=[{files['a']},{files['b']}]",
        f"data.validation={files['held_out']}",
        "data.streaming=true",
        "strategy=full",
        "hardware=cpu",
        "hardware.threads=1",
        "logger=csv",
        "optimizer.lr=5e-3",
        "trainer.batch_size=16",
        "trainer.log_every=1",
    ]


def problems(keys: list[str]) -> dict[str, str]:
    with pytest.raises(BadInput) as refused:
        load(compose(keys))
    return {problem.where: str(problem) for problem in refused.value.problems}


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("data.limit=5", "data.limit"),
        ("data.examples_per_class=5", "data.examples_per_class"),
        ("data.overfit=5", "data.overfit"),
        ("data.split.folds=5", "data.split.folds"),
        ("data.split.group_by=author", "data.split.group_by"),
        ("data.on_bad_rows=skip", "data.on_bad_rows"),
        ("trainer.max_tokens=1000", "trainer.max_tokens"),
        ("data.scan=100", "trainer.max_steps"),
        ("data.train=null", "data.train"),
        ("train=false", "data.streaming"),
    ],
)
def test_what_needs_all_rows_at_once_is_refused(keys: list[str], key: str, where: str):
    assert problems([*keys, key]).keys() == {where}


def test_a_look_is_of_a_stream_and_hub_points_to_files(small: list[str]):
    assert "data.streaming=true" in problems([*small, "data.scan=100"])["data.scan"]
    found = problems(["data=hub", "data.dataset=owner/name", "data.streaming=true"])
    assert "hf://datasets/owner/name" in found["data.streaming"]


def test_no_training_row_is_stored(
    keys: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minilm: Path
):
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))
    ready = get_ready(load(compose(keys)))
    cached = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert b"held_out.jsonl" in cached and b"a.jsonl" not in cached
    assert ready.prepared.rows == ready.prepared.examples == {"train": 203, "validation": 37}
    for kind in ("raw", "encoded"):
        assert load_splits(ready.prepared.folder, kind).keys() == {"validation"}
    plan = dict(ready.plan())
    assert plan["streamed"].startswith("203 rows in 2 files, none stored; tokens of 203 of them: 5% ")
    assert "of 13;" in plan["steps"]
    again = get_ready(load(compose(keys)))
    assert again.prepared.cached and again.prepared.stream == ready.prepared.stream


def test_the_end_of_an_unknown_stream_is_not_needed(keys: list[str]):
    ready = get_ready(load(compose([*keys, "data.scan=100", "trainer.max_steps=40"])))
    assert (ready.schedule.epochs, ready.schedule.steps_per_epoch, ready.schedule.total_steps) == (1, 40, 40)
    assert "more than 100 rows" in dict(ready.plan())["streamed"]


def test_mistakes_in_the_data_are_told_before_anything_is_written(keys: list[str], tmp_path: Path):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a", "label": "good"}\n{"text": null, "label": "bad"}\n{"text": "b"\n')
    with pytest.raises(BadInput, match=r"broken\.jsonl:3"):
        get_ready(load(compose([*keys, f"data.train={broken}"])))
    broken.write_text('{"text": "a", "verdict": "good"}\n')
    with pytest.raises(BadInput, match=r"data\.columns\.label"):
        get_ready(load(compose([*keys, f"data.train={broken}"])))


KEYS = [
    "trainer.max_epochs=2",
    "hardware.micro_batch=4",
    "hardware.workers=2",
    "callbacks.checkpoint.every_steps=2",
]


@pytest.mark.slow
def test_a_stream_of_one_pool_trains_as_stored_rows_do(keys: list[str], files, tmp_path: Path):
    """Without sorting by length, which is of tokens for stored rows: the same weights, to the bit."""
    one = [*keys, f"data.train={files['a']}", "trainer.max_epochs=2", "trainer.group_by_length=false"]
    runs = [
        Run.train(
            [
                *one,
                f"data.streaming={streaming}",
                "data.split.test=0",
                f"paths.outputs={tmp_path / streaming}",
            ]
        )
        for streaming in ("true", "false")
    ]
    found = [
        torch.load(run.folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in runs
    ]
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert runs[0].metrics["val/loss"] == runs[1].metrics["val/loss"]
    assert "120 rows" in (runs[0].folder / "README.md").read_text()


def test_it_learns_without_validation_with_augmentation_and_without_a_known_end(
    keys: list[str], tmp_path: Path
):
    more = ["data.validation=null", "data.scan=100", "trainer.max_steps=60", "data.augmentation.deletion=0.1"]
    run = Run.train([*keys, *more, "data.augmentation.mixup=0.1", f"paths.outputs={tmp_path / 'outputs'}"])
    assert run.metrics["best_step"] == run.metrics["total_steps"] == 60
    assert run.metrics["reload_difference"] < 1e-4
    said = run.predict(["plot wonderful film", "dreadful story"])
    assert [row["label"] for row in said] == ["good", "bad"]


def test_steps_of_blank_rows_alone_are_passed_over(keys: list[str], tmp_path: Path):
    blank = tmp_path / "blank.jsonl"
    texts = ["", "a wonderful film", "", "", "a dreadful plot"]
    blank.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    words = ["task=masked_lm", f"data.train={blank}", "trainer.batch_size=1", "trainer.max_steps=5"]
    run = Run.train([*keys, *words, f"paths.outputs={tmp_path / 'outputs'}"])
    assert run.manifest["state"] == "finished" and run.metrics["val/loss"] > 0
    logged = (run.folder / "logs/csv/metrics.csv").read_text().splitlines()
    losses = [float(line.rsplit(",", 1)[1]) for line in logged if ",train/loss," in line]
    assert len(losses) == 2 and min(losses) > 0


def test_what_the_sample_did_not_show_fails_with_its_reason(keys: list[str], tmp_path: Path):
    path = tmp_path / "late.jsonl"
    rows = [{"text": f"film {n}", "label": ["good", "bad"][n % 2]} for n in range(40)]
    rows[39]["label"] = "ugly"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    late = [f"data.train={path}", "data.validation=null", "data.scan=20", "trainer.max_steps=30"]
    with pytest.raises(RunFailed, match="the model has no label 'ugly'"):
        Run.train([*keys, *late, "hardware.workers=1", f"paths.outputs={tmp_path / 'outputs'}"])
    assert manifest_of(only_run(tmp_path))["state"] == "failed"


def descendants(process: int) -> list[int]:
    """Of torchrun, which starts processes in sessions of their own."""
    listed = Path(f"/proc/{process}/task/{process}/children")
    children = list(map(int, listed.read_text().split())) if listed.exists() else []
    return [each for child in children for each in (child, *descendants(child))]


@pytest.mark.slow
def test_killed_and_resumed_on_two_processes_with_two_workers(
    keys: list[str], files: dict[str, Path], command: Command, tmp_path: Path
):
    """To the bit what one uninterrupted run on two processes gives, and nearly what one process gives."""
    two = ["hardware=ddp", "hardware.accelerator=cpu", "hardware.devices=2", "model.dropout=0.0"]
    keys = [*keys, f"data.test={files['held_out']}"]
    every = [*keys, *KEYS, *two]
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    # Several processes update all rows of an embedding in every step.
    alike = [word for word in KEYS if "lazy_embedding" not in word] + ["optimizer.lazy_embedding=false"]
    one = Run.train(
        [*keys, *alike, "model.dropout=0.0", "hardware.workers=0", f"paths.outputs={tmp_path}/one"]
    )
    done = command("train", *every, cwd=tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.train", *every],
        cwd=tmp_path / "cut", env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    last = lambda: list((tmp_path / "cut").glob("outputs/*/*/*/checkpoints/last.ckpt"))  # noqa: E731
    wait_for(last, process, seconds=300)
    time.sleep(random.uniform(0, 0.5))
    for each in [process.pid, *descendants(process.pid)]:
        os.kill(each, signal.SIGKILL)
    process.wait()
    cut = only_run(tmp_path / "cut")
    step = torch.load(cut / "checkpoints/last.ckpt", weights_only=True)["global_step"]
    assert 0 < step < 26
    done = command("train", *every, "resume=auto", cwd=tmp_path / "cut")
    assert done.returncode == 0, done.stderr
    assert manifest_of(cut)["starts"] == 2
    whole = only_run(tmp_path / "whole")
    assert outcome(cut) == outcome(whole)
    weights = [
        torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for folder in (one.folder, whole)
    ]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-4, rtol=1e-3, msg=name)
