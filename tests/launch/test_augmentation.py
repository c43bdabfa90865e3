"""Runs with augmentation: what is refused, what the plan says, and a training with all of it."""

import json

import pytest

from pipeline import Run
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput
from pipeline.launch.ready import get_ready
from tests.conftest import Command, only_run


def problems(keys: list[str]) -> dict[str, str]:
    with pytest.raises(BadInput) as refused:
        load(compose(keys))
    return {problem.where: str(problem) for problem in refused.value.problems}


def test_tasks_whose_targets_are_places_refuse_it_by_name():
    found = problems(
        ["task=token_classification", "data.augmentation.swap=0.1", "data.augmentation.mask=0.1"]
    )
    assert found.keys() == {"data.augmentation.swap", "data.augmentation.mask"}
    assert "task=token_classification" in found["data.augmentation.swap"]
    assert "none of them" in found["data.augmentation.swap"]


def test_tasks_without_a_loss_of_examples_refuse_mixup():
    found = problems(
        ["task=sentence_embedding", "data.augmentation.deletion=0.1", "data.augmentation.mixup=0.4"]
    )
    assert found.keys() == {"data.augmentation.mixup"}
    assert "deletion, swap, mask" in found["data.augmentation.mixup"]


def test_models_that_look_for_the_end_of_a_text_refuse_mixup():
    found = problems(["model=smollm2", "data.augmentation.mixup=0.4"])
    assert "model=smollm2" in found["data.augmentation.mixup"]


def test_a_pair_needs_two(small):
    found = problems([*small, "data.augmentation.mixup=0.4", "hardware.micro_batch=1"])
    assert "of 1" in found["data.augmentation.mixup"]


def test_the_plan_says_what_is_changed_and_rows_are_encoded_once(small):
    plain = get_ready(load(compose(small)))
    changed = get_ready(
        load(compose([*small, "data.augmentation.deletion=0.1", "data.augmentation.mixup=0.4"]))
    )
    assert dict(changed.plan())["augmentation"] == "deletion 0.1, mixup 0.4"
    assert "augmentation" not in dict(plain.plan())
    assert changed.prepared.folder == plain.prepared.folder


@pytest.mark.slow
def test_a_run_learns_with_all_of_it(small, tmp_path, command: Command):
    chosen = [f"data.augmentation.{name}=0.1" for name in ("deletion", "swap", "mask")]
    keys = [*small, *chosen, "data.augmentation.mixup=0.2", "trainer.max_epochs=8", "trainer.batch_size=16"]
    run = Run.train([*keys, "optimizer.lr=5e-3", "strategy=full", f"paths.outputs={tmp_path / 'outputs'}"])
    assert run.metrics["test/accuracy"] > 0.9
    manifest = json.loads((only_run(tmp_path) / "manifest.json").read_text())
    assert manifest["result_relevant"]["data"]["augmentation"]["mixup"] == 0.2
    # The rows that were held out are still known not to have been trained on.
    again = command("evaluate", f"run={run.folder}")
    assert again.returncode == 0, again.stderr
