"""The whole comparison on a few rows, and that both sides are given the same."""

import json

import pytest
import torch

from benchmarks import hf_trainer, quality
from benchmarks.jobs import job_of, overrides


@pytest.fixture(scope="module")
def small_lora():
    return overrides("lora", seed=3, rows=32, threads=1)


def test_job_holds_the_settings_of_the_program(small_lora):
    job = job_of(
        [*small_lora, "optimizer.lr=3e-4", "trainer.max_steps=40", "strategy.r=4", "strategy.modules=[query]"]
    )
    assert (job.strategy, job.seed, job.lr, job.steps, job.threads) == ("lora", 3, 3e-4, 40, 1)
    # 6 % of 40 steps.
    assert job.warmup_steps == 2
    assert job.lora == {"target_modules": ["query"], "r": 4, "lora_alpha": 16, "lora_dropout": 0.0}
    assert job.labels == ["negative", "positive"]


@pytest.mark.parametrize("strategy", ["full", "lora", "frozen_backbone"])
def test_both_sides_train_the_same_parameters(strategy):
    """Names and sizes, decayed or not, of what each side's optimizer gets."""
    from dataclasses import asdict

    from transformers import Trainer, TrainingArguments

    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load
    from pipeline.launch.ready import get_ready

    given = overrides(strategy, seed=0, rows=32, threads=1)
    spec = load(compose(given))
    prepared = get_ready(spec).prepared
    model, _ = spec.task.load(spec.model, prepared.checkpoint["folder"], prepared.head, meta=True)
    ours = spec.strategy.parameter_groups(spec.strategy.adapt(model), 0.01)
    other = hf_trainer.build_model(asdict(job_of(given)))
    trainer = Trainer(other, TrainingArguments(use_cpu=True, report_to="none", weight_decay=0.01))
    theirs = trainer.create_optimizer().param_groups

    def sizes(groups):
        return sorted((tuple(p.shape), g["weight_decay"]) for g in groups for p in g["params"])

    assert sizes(ours) == sizes(theirs)
    assert sum(torch.Size(shape).numel() for shape, _ in sizes(ours)) == prepared.trainable


@pytest.mark.slow
def test_compares_whole_processes_on_the_same_rows(tmp_path, capsys, warm):
    output = tmp_path / "quality.json"
    arguments = [
        "--rows",
        "8",
        "--seeds",
        "0",
        "--strategies",
        "lora",
        "--threads",
        "1",
        "--output",
        str(output),
    ]
    quality.main(arguments)
    result = json.loads(output.read_text())
    assert result["counts"] == {"train": 8, "validation": 8, "test": 8}
    assert {(run["side"], run["strategy"], run["seed"]) for run in result["runs"]} == {
        ("hydratune", "lora", 0),
        ("hf_trainer", "lora", 0),
    }
    ours, theirs = result["runs"]
    assert ours["trainable"] == theirs["trainable"]
    assert all(0 < run["accuracy"] < 1 and run["seconds"] > 0 for run in (ours, theirs))
    points = 100 * (ours["accuracy"] - theirs["accuracy"])
    assert result["summary"]["lora"]["difference"]["mean"] == pytest.approx(points)
    assert result["stamp"]["packages"]["transformers"] and result["stamp"]["machine"]["cpus"]
    assert "lora" in output.with_suffix(".md").read_text()
    assert "TF-IDF" in capsys.readouterr().out

    # Going on from a finished file runs nothing again; with other rows it is refused.
    quality.main([*arguments, "--resume"])
    assert json.loads(output.read_text())["runs"] == result["runs"]
    with pytest.raises(SystemExit, match="other settings or rows"):
        quality.main(["--rows", "10", *arguments[2:], "--resume"])


def test_other_rows_are_noticed(small_lora):
    job = job_of(small_lora)
    with pytest.raises(RuntimeError, match="other rows"):
        quality._check({"rows": {"test": "1"}}, job, {"test": "2"})
    with pytest.raises(RuntimeError, match="steps"):
        quality._check({"rows": {}, "steps": job.steps + 1}, job, {})
