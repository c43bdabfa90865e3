"""docs/extending.md does what it says: its files, in a folder outside the repository, train a model."""

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
import yaml
from sklearn.metrics import mean_absolute_error

from pipeline.api import _chain
from pipeline.compose.target import TRUST, trust
from pipeline.runs.freezing import run_id
from pipeline.train import main
from tests.conftest import ROOT, Command, only_run
from tests.documents import commands, words_of, write_files
from tests.outcomes import code_of

PAGE = ROOT / "docs/extending.md"
TEXTS = "pipeline.tasks.text_classification.TextClassification"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The page's folder, with a database of made-up reviews whose number of stars shows in one word."""
    write_files(PAGE, tmp_path)
    with closing(sqlite3.connect(tmp_path / "ratings.db")) as database, database:
        database.execute("CREATE TABLE reviews (body TEXT, stars REAL)")
        words = ["terrible", "weak", "mixed", "good", "superb"]
        rows = [(f"a {words[n % 5]} film number {n}", n % 5 + 0.5) for n in range(150)]
        database.executemany("INSERT INTO reviews VALUES (?, ?)", rows)
    return tmp_path


@pytest.fixture
def tiny(tiny_bert: Path) -> list[str]:
    """What keeps a run small."""
    return ["model=auto", f"model.checkpoint={tiny_bert}", "hardware=cpu", "hardware.threads=1", "logger=csv"]


@pytest.mark.slow
def test_task_strategy_and_source_of_a_user_train_together(project: Path, tiny: list[str], command: Command):
    program, words = words_of(next(text for text in commands(PAGE) if "task=rating" in text))
    done = command(program, *words, *tiny, "trainer.max_steps=6", "optimizer.lr=1e-2")
    assert done.returncode == 0, done.stderr
    run = only_run(project)
    manifest, metrics = (json.loads((run / name).read_text()) for name in ("manifest.json", "metrics.json"))

    # The source: the query's rows, divided as its yaml says.
    assert manifest["prepared"]["rows"] == {"train": 105, "validation": 15, "test": 30}
    # The strategy: biases and the head, and nothing else, in the checkpoint too.
    best = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert manifest["prepared"]["trainable"] == sum(value.numel() for value in best.values())
    assert all(name.endswith(".bias") or name.startswith("model.classifier.") for name in best)
    assert any(name.startswith("model.bert.encoder") for name in best)
    # The task: its metric chooses the checkpoint, lower being better, and is in units of the data.
    assert (metrics["monitor"], metrics["mode"]) == ("val/mae", "min")
    rows = [json.loads(line) for line in (run / "predictions/test.jsonl").read_text().splitlines()]
    said = mean_absolute_error([row["label"] for row in rows], [row["prediction"]["value"] for row in rows])
    assert metrics["test/mae"] == pytest.approx(said, rel=1e-4)


@pytest.fixture
def stopped(project: Path, tiny: list[str], command: Command) -> Path:
    """The page's experiment, in which every metric is good enough at the first validation."""
    words = ["experiment=ratings", "callbacks.stop_when.below=1e6", "optimizer.momentum=0.5"]
    done = command("train", *words, *tiny, env={TRUST: "my_parts"})
    assert done.returncode == 0, done.stderr
    return only_run(project)


@pytest.mark.slow
def test_experiment_callback_and_optimizer(stopped: Path, command: Command):
    assert stopped.parent.name == "ratings"
    last = torch.load(stopped / "checkpoints/last.ckpt", weights_only=True)
    (optimizer,) = last["optimizer_states"]
    assert {"square_avg", "momentum_buffer"} <= set(optimizer["state"][0])  # RMSprop's, not Adam's
    assert optimizer["param_groups"][0]["momentum"] == 0.5
    assert last["global_step"] == 4  # 105 rows in batches of 32: the first of three epochs

    given = stopped.parents[3] / "new.txt"
    given.write_text("a superb film\na terrible film\n")
    done = command("predict", f"run={stopped}", f"input={given}", env={TRUST: "my_parts"})
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in said] == ["a superb film", "a terrible film"]
    assert all(isinstance(row["value"], float) for row in said)
    assert command("predict", f"run={stopped}", f"input={given}").returncode == 2


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's folder, for commands in this process."""
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(str(project))
    monkeypatch.setenv(TRUST, "")
    yield project
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_parts"]:
        del sys.modules[name]


def test_without_trust_nothing_of_it_is_imported(here: Path, tiny: list[str], capsys):
    for name in ("rating", "bitfit", "sqlite", "stop_when"):
        (here / f"my_parts/{name}.py").write_text("raise RuntimeError('imported')")
    assert code_of(main, "experiment=ratings", *tiny) == 2
    said = capsys.readouterr().err
    for target in ("rating.Rating", "bitfit.BitFit", "sqlite.Sqlite", "stop_when.StopWhen"):
        assert f"'my_parts.{target}' is not allowed" in said
    assert "yours: --trust MODULE or HYDRATUNE_TRUST=MODULE" in said
    assert not (here / "outputs").exists()


def test_wrong_keys_of_own_parts_are_told_together(here: Path, tiny: list[str], capsys):
    wrong = ["task.error=cubic", "data.qeury=x", "strategy.learning_rate=-1"]
    assert code_of(main, "experiment=ratings", "--trust", "my_parts", *wrong, *tiny) == 2
    told = capsys.readouterr().err
    for said in ("3 problems", "'cubic' is not allowed", "did you mean: query", "-1 is out of range"):
        assert said in told


def test_wrong_keys_of_a_plain_callback_are_told(here: Path, tiny: list[str], capsys):
    wrong = "callbacks.stop_when.metrik=x"
    assert code_of(main, "experiment=ratings", "--trust", "my_parts", wrong, *tiny) == 2
    assert "did you mean: metric" in capsys.readouterr().err


@pytest.mark.parametrize("typed", commands(PAGE))
def test_every_command_of_the_page_composes(typed: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    if "../shared" in typed:
        (here / "conf").rename((here / "shared").with_name("shared_conf"))
        (here / "shared").mkdir()
        (here / "shared_conf").rename(here / "shared/conf")
        (here / "elsewhere").mkdir()
        monkeypatch.chdir(here / "elsewhere")
    program, words = words_of(typed)
    assert program == "train"
    assert code_of(main, *words, *([] if "--cfg" in words else ["--cfg", "job"])) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["task"]["_target_"] == ("my_parts.rating.Rating" if "--trust" in words else TEXTS)
    if "experiment=ratings" in words:
        assert shown["optimizer"]["_target_"] == "torch.optim.RMSprop"
    if "timer" in typed:
        assert shown["callbacks"]["timer"]["duration"].startswith("00:")


def test_a_change_of_own_code_is_another_run_with_rows_encoded_anew(
    here: Path, tiny: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HYDRATUNE_CACHE", str(here / "cache"))
    words = ["experiment=ratings", *tiny]
    trust("my_parts")
    before = _chain("plan", words, None).start.ready
    first_id = run_id(before.spec, before.prepared)
    assert _chain("plan", words, None).start.ready.prepared.cached
    code = here / "my_parts/rating.py"
    code.write_text(
        code.read_text().replace('rows["text"], None', '["the " + text for text in rows["text"]], None')
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_parts"]:
        del sys.modules[name]
    after = _chain("plan", words, None).start.ready
    assert not after.prepared.cached
    assert after.prepared.tokens["train"] == before.prepared.tokens["train"] + before.prepared.rows["train"]
    assert run_id(after.spec, after.prepared) != first_id
