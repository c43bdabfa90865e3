"""A run that computes its frozen part once ends as one that computes it in every epoch; and when it does not."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, concatenate_datasets
from safetensors.torch import load_file

from pipeline import Run
from pipeline.data.features import Features
from pipeline.data.prepare import load_splits
from pipeline.launch import features as storing
from pipeline.launch.prefix import look
from pipeline.launch.ready import Ready, get_ready
from pipeline.runs.directory import RunDirectory
from pipeline.runs.ranks import Report
from pipeline.training.watchdog import Watchdog, watching
from tests.specs import prepared, spec_of

FROZEN = "strategy=frozen_backbone"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def ready(*words: str) -> Ready:
    return get_ready(spec_of(list(words)))


def stored(cache: Path) -> dict[Path, int]:
    """Folders of features, and when they were written."""
    return {path: (path / "values.bin").stat().st_mtime_ns for path in sorted(cache.glob("features/*"))}


def run(tmp_path: Path, *words: str) -> Run:
    return Run.train(
        [*words, "trainer.max_epochs=2", "trainer.batch_size=16", f"paths.outputs={tmp_path}/outputs"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [FROZEN, "strategy=last_layers"])
def test_a_run_ends_the_same(strategy: str, small: list[str], cache: Path, tmp_path: Path) -> None:
    words = [*small, strategy, *(["strategy.layers=1"] if "layers" in strategy else []), "model.dropout=0"]
    once = run(tmp_path, *words)
    files = stored(cache)
    assert len(files) == 3  # train, validation, test
    always = run(tmp_path, *words, "hardware.feature_cache=off")
    assert once.folder.name[-10:] == always.folder.name[-10:], (
        "how it is computed is no part of a run's identity"
    )
    for name, value in always.metrics.items():
        if isinstance(value, float):
            assert once.metrics[name] == pytest.approx(value, abs=1e-5), name
    one, other = (load_file(each.folder / "model" / "model.safetensors") for each in (once, always))
    assert one.keys() == other.keys()
    for name, weight in other.items():
        torch.testing.assert_close(one[name], weight, atol=1e-5, rtol=1e-4, msg=name)
    assert (once.folder / "predictions/test.jsonl").read_text().count("\n") == 24
    assert stored(cache) == files


def test_what_is_stored_is_what_the_backbone_gives(small: list[str], cache: Path) -> None:
    job = ready(*small, FROZEN, "task.pooling=null")
    assert "pooler output of bert" in dict(job.plan())["frozen part"]
    assert not list(cache.glob("features/*")), "a plan computes nothing"
    job.compute_once()
    files = stored(cache)
    job.compute_once()
    assert stored(cache) == files

    spec, folder = job.spec, job.prepared.checkpoint["folder"]
    torch.manual_seed(spec.seed)
    model: Any = spec.task.load(spec.model, folder, job.prepared.head)[0].eval()
    rows = load_splits(job.prepared.folder, "encoded")["train"]
    (features,) = (found for path in files if len((found := Features(path)).starts) == len(rows) + 1)
    for number in (0, 7, 100):
        with torch.inference_mode():
            expected = model.bert(torch.tensor([rows[number]["input_ids"]])).pooler_output
        torch.testing.assert_close(features.of([number]), expected, atol=1e-5, rtol=0)


def test_a_broken_file_is_computed_again(
    small: list[str], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = ready(*small, FROZEN)
    job.compute_once()
    path = next(iter(stored(cache)))
    before = np.fromfile(path / "values.bin", np.float32)
    (path / "values.bin").write_bytes(b"cut")
    job.compute_once()
    assert "is computed again" in capsys.readouterr().err
    np.testing.assert_allclose(np.fromfile(path / "values.bin", np.float32), before)


def test_a_model_that_would_compute_something_else_is_left_alone(
    small: list[str], cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_difference", lambda *_: 0.5)
    ready(*small, FROZEN).compute_once()
    assert "computes something else from what is stored" in capsys.readouterr().err
    assert not list(cache.glob("features/*/values.bin"))


def test_random_weights_in_the_frozen_part_are_those_of_a_seed(small: list[str], cache: Path) -> None:
    # The tiny checkpoint has a pooler; one from scratch has nothing that is not random.
    scratch = [*small, FROZEN, "model.from_scratch=true"]
    for seed in (0, 1):
        ready(*scratch, f"seed={seed}").compute_once()
    assert len(stored(cache)) == 6


def test_what_was_padded_on_the_other_side_is_computed_again(small: list[str], cache: Path) -> None:
    for side in ("right", "left"):
        ready(*small, FROZEN, "task.pooling=mean", f"model.padding_side={side}").compute_once()
    assert len(stored(cache)) == 6


def test_nobody_is_taken_to_hang_while_it_is_stored(
    small: list[str], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, marks = storing.Store._record, []

    def noted(self: storing.Store, batch: Any) -> torch.Tensor:
        marks.append(report.marks)
        return record(self, batch)

    monkeypatch.setattr(storing.Store, "_record", noted)
    report = Report(0, "first")
    with (tmp_path / "log").open("w") as log:
        dog = Watchdog(RunDirectory(tmp_path), report, 600.0, log, os.getpid(), lambda _: None)
        with watching(dog):
            run(tmp_path, *small, FROZEN)
    assert marks and set(marks) == {0} and report.marks > 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["hardware.feature_cache=off"], "hardware.feature_cache=off"),
        (
            ["data.augmentation.deletion=0.1"],
            "data.augmentation (deletion) makes other examples in every epoch",
        ),
        (["data.augmentation.mixup=0.2"], "data.augmentation (mixup)"),
        (
            ["strategy=last_layers", "task=masked_lm", "data=python_docs"],
            "other words are masked whenever an example is read",
        ),
    ],
)
def test_why_it_is_computed_in_every_epoch(words: list[str], why: str) -> None:
    found = look(spec_of([FROZEN, *words]), prepared())
    assert found is not None and found.text().startswith(f"computed in every epoch: {why}")


def test_examples_are_counted_by_their_texts_and_tokens() -> None:
    one = Dataset.from_dict({"input_ids": [[1, 2, 3], [4]]})
    several = Dataset.from_dict({"input_ids": [[[1, 2], [3]], [[4, 5, 6]]]})
    assert storing._counts(one, "all").tolist() == [3, 1] and storing._counts(one, "text").tolist() == [1, 1]
    assert storing._counts(several, "all").tolist() == [3, 3]
    assert storing._counts(concatenate_datasets([several, several]), "first").tolist() == [2, 1, 2, 1]


def test_streamed_rows_are_not_stored() -> None:
    found = look(spec_of([FROZEN]), prepared(stream={"whole": True}))
    assert found is not None and "streamed (data.streaming)" in found.text()


def test_nothing_is_said_where_nothing_is_frozen() -> None:
    assert look(spec_of(["strategy=full"]), prepared()) is None
    assert look(spec_of(["strategy=lora"]), prepared()) is None


def test_the_plan_says_what_the_cache_takes(small: list[str], cache: Path) -> None:
    words = [*small, "strategy=last_layers", "strategy.layers=1"]
    job = ready(*words, "hardware.feature_cache=1")
    tokens = sum(job.prepared.tokens.values())
    assert job.prefix is not None and job.prefix.size == tokens * 32 * 4
    text = dict(job.plan())["frozen part"]
    assert text.startswith("computed once, then read from the cache: hidden states below layer 1")
    assert f"{tokens * 32 * 4 / 2**20:.1f} MiB of the 1.0 GiB" in text
    job.compute_once()
    assert sum(path.stat().st_size for path in cache.glob("features/*/values.bin")) == tokens * 32 * 4
    small_budget = ready(*words, "hardware.feature_cache=0.0001")
    assert "it would take" in dict(small_budget.plan())["frozen part"]
    assert json.dumps(small_budget.prepared.head)  # and the run goes on
