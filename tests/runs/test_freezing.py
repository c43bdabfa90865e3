"""Which calls are the same run, and what may change when a run goes on."""

from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.runs.freezing import check_resumable, differences, freeze, run_id
from tests.specs import prepared, spec_of

BASE = ["logger=csv"]


def id_of(*overrides: str, **changes) -> str:
    return run_id(spec_of([*BASE, *overrides]), prepared(**changes))


@pytest.mark.parametrize(
    "override",
    [
        "logger=none",
        "paths.outputs=elsewhere",
        "name=other",
        "tags=[a]",
        "hardware.micro_batch=4",
        "hardware.workers=2",
        "hardware.threads=1",
        "hardware=cpu",
        "trainer.log_every=1",
        "trainer.profiler=simple",
        "callbacks.progress=null",
        "callbacks.checkpoint.every_steps=3",
        "sweep.best=outputs/sweeps/heads",
    ],
)
def test_the_id_does_not_depend_on(override: str):
    assert id_of(override) == id_of()


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "task.max_length=64",
        "task.label_smoothing=0.1",
        "model.dropout=0.2",
        "data.limit=50",
        "data.split.seed=2",
        "data=bbc_news",
        "strategy=lora",
        "optimizer.lr=0.5",
        "optimizer=sgd",
        "scheduler=cosine",
        "trainer.batch_size=16",
        "trainer.max_epochs=2",
        "trainer.monitor=val/f1",
        "hardware.precision=bf16",
        "callbacks.early_stopping.patience=3",
    ],
)
def test_the_id_depends_on(override: str):
    assert id_of(override) != id_of()


def test_the_id_depends_on_what_was_read_and_not_on_its_name():
    assert id_of(data_fingerprint="e" * 64) != id_of()
    checkpoint = {"folder": "elsewhere", "fingerprint": "c" * 64, "commit": None}
    assert id_of(checkpoint=checkpoint) == id_of()
    assert id_of(checkpoint={**checkpoint, "fingerprint": "f" * 64}) != id_of()
    of_files = {name: id_of("data=files", f"data.train={name}") for name in ("a.csv", "b/c.csv")}
    assert len(set(of_files.values())) == 1
    assert id_of("data=files", "data.train=a.csv", "data.columns={text: body}") not in of_files.values()


def test_a_frozen_run_holds_its_files_and_facts(tmp_path: Path):
    spec = spec_of([*BASE, f"paths.outputs={tmp_path}", "name=mine"])
    run = freeze(spec, prepared(), {"config.yaml": "a: 1"})
    assert run.folder.parent == tmp_path / "text_classification/mine"
    assert run.folder.name.endswith(run_id(spec, prepared()))
    manifest = run.manifest()
    assert manifest["prepared"]["rows"]["train"] == 100 and manifest["choices"]["model"] == "bert"
    job = freeze(spec, prepared(), {}, parent=tmp_path / "sweep", group="sweep")
    assert job.folder == tmp_path / "sweep" / run_id(spec, prepared()) and job.manifest()["group"] == "sweep"


def test_a_run_names_the_sweep_whose_settings_it_took(tmp_path: Path):
    words = [*BASE, f"paths.outputs={tmp_path}"]
    assert "best_of" not in freeze(spec_of(words), prepared(), {}).manifest()
    took = freeze(spec_of([*words, "sweep.best=outputs/sweeps/heads"]), prepared(), {})
    assert took.manifest()["best_of"] == str(Path("outputs/sweeps/heads").resolve())


def test_differences_are_dotted_keys():
    before, after = {"a": {"b": 1, "c": [1]}, "d": 2}, {"a": {"b": 3, "c": [1]}, "e": 4}
    assert differences(before, after) == {"a.b": (1, 3), "d": (2, None), "e": (None, 4)}
    assert differences(before, before) == {}


def test_only_the_length_may_change_when_a_run_goes_on(tmp_path: Path):
    words = [*BASE, f"paths.outputs={tmp_path}"]
    run = freeze(spec_of(words), prepared(), {})
    for allowed in ("trainer.max_epochs=9", "trainer.max_steps=99", "hardware.micro_batch=2", "logger=none"):
        check_resumable(run, spec_of([*words, allowed]), prepared())
    with pytest.raises(BadInput) as caught:
        check_resumable(
            run, spec_of([*words, "optimizer.lr=0.5", "seed=3", "trainer.max_epochs=2"]), prepared()
        )
    assert {problem.where for problem in caught.value.problems} == {"optimizer.lr", "seed"}
    with pytest.raises(BadInput, match=r"data\.fingerprint"):
        check_resumable(run, spec_of(words), prepared(data_fingerprint="e" * 64))
