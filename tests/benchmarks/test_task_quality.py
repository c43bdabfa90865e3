"""Both sides of every pair can be started, and the table holds means over the seeds that both have."""

import importlib.util
import json
import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scipy.stats import t

from benchmarks import task_quality
from benchmarks.runs import ROOT
from benchmarks.summary import SIDES
from benchmarks.tasks.pairs import PAIRS
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load


@pytest.mark.parametrize("name", PAIRS)
def test_settings_are_valid_and_there_is_a_peer(name: str, tmp_path: Path):
    pair = PAIRS[name]
    options = SimpleNamespace(hardware="cpu", precision="32", batches="shuffled", threads=1)
    spec = load(compose(task_quality.overrides(pair, tmp_path, 3, options, new=tmp_path / "new")))  # type: ignore[arg-type]
    assert (spec.seed, spec.hardware.precision, spec.hardware.threads) == (3, "32", 1)
    assert not spec.trainer.group_by_length
    assert str(tmp_path / pair.data) in str(spec.data.train)  # type: ignore[attr-defined]
    assert (spec.model.checkpoint == str(tmp_path / "new")) == bool(pair.texts)
    assert importlib.util.find_spec(f"benchmarks.tasks.peers.{pair.peer}")


def test_every_text_task_is_in_a_pair():
    compared = {
        word.partition("=")[2] for pair in PAIRS.values() for word in pair.overrides if "task=" in word
    }
    # What translation and summarization are made of.
    assert compared | {"text_to_text"} == {file.stem for file in (ROOT / "conf/task").glob("*.yaml")}


def test_peers_know_nothing_of_this_program():
    folder = Path(task_quality.__file__).parent / "tasks/peers"
    files = list(folder.glob("*.py"))
    assert len(files) >= len({pair.peer for pair in PAIRS.values()})
    assert not [file.name for file in files if "pipeline" in file.read_text(encoding="utf-8")]


MACHINE = {"processor": "a", "cpus": 2}
STAMP = {"date": "2026-01-01", "commit": "a", "python": "3.11", "packages": {}, "machine": MACHINE}


def run(name: str, seed: int, side: str, stamp: int = 0, **scores: float) -> dict[str, Any]:
    return {"pair": name, "seed": seed, "side": side, "scores": scores, "stamp": stamp, "on": "cpu, 32"}


def test_runs_that_were_made_with_other_settings_are_forgotten():
    job = SimpleNamespace(steps=9, lr=1e-4, batch_size=16, max_length=512)
    settings = task_quality.settings_of(PAIRS["codah_choices"], job)  # type: ignore[arg-type]
    runs = [run(name, 0, "hydratune") for name in ("codah_choices", "squad_answers")]
    result: dict[str, Any] = {"settings": {}, "runs": runs}
    task_quality.take_settings(result, "codah_choices", settings)
    assert [run["pair"] for run in result["runs"]] == ["squad_answers"]

    result["runs"] = runs
    task_quality.take_settings(result, "codah_choices", settings)
    assert result["runs"] == runs
    assert result["settings"]["codah_choices"]["overrides"] == list(PAIRS["codah_choices"].overrides)


def test_the_table_counts_seeds_that_both_sides_have():
    scores = {("hydratune", 0): 0.8, ("hf_trainer", 0): 0.7, ("hydratune", 1): 0.9, ("hf_trainer", 1): 0.9}
    runs = [
        run("codah_choices", seed, side, accuracy=value, loss=1.0)
        for (side, seed), value in [*scores.items(), (("hydratune", 2), 0.1)]
    ]
    row, _ = task_quality.table({"settings": {"codah_choices": {"steps": 1200}}, "runs": runs})
    half = t.ppf(0.975, 1) * statistics.stdev([0.1, 0.0]) / 2**0.5
    assert row[:3] == ("codah_choices", "1,200", "accuracy ↑")
    assert row[5:] == (f"+0.0500 ± {half:.4f}", "2")


def test_what_other_machines_found_is_added(tmp_path: Path):
    here, there = ({**STAMP, "machine": {"processor": name, "cpus": 2}} for name in ("here", "there"))
    files = []
    for name, machine, runs in (
        ("first", here, [run("codah_choices", 0, "hydratune", accuracy=0.5, loss=1.0)]),
        ("second", there, [run("codah_choices", 0, side, accuracy=0.6, loss=1.0) for side in SIDES]),
        ("other", there, [run("trec_classes", 0, side, accuracy=0.9) for side in SIDES]),
    ):
        settings = {runs[0]["pair"]: {"steps": 3}}
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps({"stamps": [machine], "settings": settings, "runs": runs}))
    output = tmp_path / "all.json"
    assert task_quality.main(["--merge", *map(str, files), "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert [stamp["machine"]["processor"] for stamp in found["stamps"]] == ["here", "there"]
    # What was there first is kept.
    assert [(r["pair"], r["side"], r["stamp"]) for r in found["runs"]] == [
        ("codah_choices", "hydratune", 0),
        ("codah_choices", "hf_trainer", 1),
        ("trec_classes", "hydratune", 1),
        ("trec_classes", "hf_trainer", 1),
    ]
    assert output.with_suffix(".md").read_text().count("\n- 2026-01-01") == 2


def test_pairs_that_run_at_once_are_brought_together_and_one_that_fails_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def child(arguments: list[str]) -> float:
        asked = dict(zip(arguments[1::2], arguments[2::2], strict=True))
        name, seed = asked["--pairs"], int(asked["--seeds"])
        if (name, seed) == ("codah_choices", 1):
            raise RuntimeError("out of memory")
        scores = dict.fromkeys(PAIRS[name].scores, 0.5 + seed)
        runs = [run(name, seed, side, **scores) for side in asked["--sides"].split(",")]
        found = {"stamps": [STAMP], "settings": {name: {"steps": 9}}, "runs": runs}
        Path(asked["--output"]).write_text(json.dumps(found))
        return 1.0

    monkeypatch.setattr(task_quality, "process", child)
    output = tmp_path / "tasks.json"
    given = ["--data", str(tmp_path), "--pairs", "codah_choices,trec_classes", "--seeds", "0,1"]
    assert task_quality.main([*given, "--jobs", "3", "--output", str(output)]) == 1
    found = json.loads(output.read_text())
    names = sorted((run["pair"], run["seed"], run["side"]) for run in found["runs"])
    assert names == [
        ("codah_choices", 0, "hf_trainer"),
        ("codah_choices", 0, "hydratune"),
        *[("trec_classes", seed, side) for seed in (0, 1) for side in ("hf_trainer", "hydratune")],
    ]
    assert found["settings"] == {"codah_choices": {"steps": 9}, "trec_classes": {"steps": 9}}
    assert "codah_choices-1: out of memory" in capsys.readouterr().out
    assert "| trec_classes | 9 | accuracy ↑ | 1.0000" in output.with_suffix(".md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", ".", "--pairs", "wnut17"], "--pairs: no wnut17; there are trec_classes, "),
        (["--data", ".", "--sides", "peer"], "--sides: no peer; there are hydratune, hf_trainer"),
        (["--merge", "gone.json"], "--merge: no such file: gone.json"),
        (["--data", "gone"], "--data: gone has to be the folder"),
        ([], "--data: it has to be the folder"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_runs(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        task_quality.main(words)
    assert ended.value.code == 2 and said in capsys.readouterr().err
