"""A run on a mixture with templates, from training to predictions."""

import json
import os
import random
import signal
from pathlib import Path

import pytest

from pipeline import Run
from pipeline.errors import BadInput, Interrupted
from tests.conftest import Command, only_run

A, B = "data.sources.long", "data.sources.short"


def files(folder: Path) -> None:
    draw, words = random.Random(0), ["dreadful", "wonderful"]
    long = [
        {"title": f"film {i}", "body": words[k], "stars": k} for i in range(100) for k in draw.choices([0, 1])
    ]
    short = [{"text": f"plot {words[k]} {i}", "label": k} for i in range(30) for k in draw.choices([0, 1])]
    for name, rows in (("long", long), ("short", short)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)


def keys(tiny_bert: Path, folder: Path) -> list[str]:
    return [
        "model=auto",
        f"model.checkpoint={tiny_bert}",
        "data=mixture",
        f"+data@{A}=files",
        f"+data@{B}=files",
        "data/template@data.sources.short.template=sentiment_words",
        f"{A}.train={folder}/long.jsonl",
        f"{B}.train={folder}/short.jsonl",
        f"{A}.columns={{heading: title, label: stars}}",
        f"{A}.template.texts.text='{{{{ heading }}}} is {{{{ body }}}}'",
        f"{A}.template.labels={{0: negative, 1: positive}}",
        "data.weights={long: 1, short: 2}",
        "hardware=cpu",
        "hardware.threads=1",
        "logger=csv",
        "optimizer.lr=5e-3",
        "strategy.head_rate=1",
        "trainer.batch_size=16",
        "trainer.max_epochs=4",
        f"paths.outputs={folder}/outputs",
    ]


@pytest.fixture(scope="module")
def mixed(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("mixed")
    files(folder)
    return Run.train(keys(tiny_bert, folder))


def scores(answers: list[dict]) -> list[float]:
    return [round(answer["scores"]["positive"], 5) for answer in answers]


def test_it_learns_from_both(mixed: Run):
    assert mixed.metrics["test/accuracy"] > 0.9 and mixed.metrics["total_steps"] == 4 * 7
    assert mixed.manifest["prepared"]["head"]["labels"] == ["negative", "positive"]
    rows = [json.loads(line) for line in (mixed.folder / "predictions/test.jsonl").open()]
    assert [row["text"][:4] for row in rows] == ["film"] * 10 + ["plot"] * 3


def test_rows_to_predict_are_rendered_as_in_training(mixed: Run):
    expected = mixed.predict([{"text": "film 3 is dreadful"}, {"text": "film 4 is wonderful"}])
    assert [answer["label"] for answer in expected] == ["negative", "positive"]
    rows = [{"title": "film 3", "body": "dreadful"}, {"title": "film 4", "body": "wonderful"}]
    assert scores(mixed.predict(rows)) == scores(expected) == scores(mixed.predict(rows, predict_as="long"))
    named = [{"heading": row["title"], "body": row["body"]} for row in rows]
    with pytest.raises(BadInput, match="no column"):
        mixed.predict(named, predict_as="long")
    assert scores(mixed.predict(["film 3 is dreadful", "film 4 is wonderful"])) == scores(expected)


def test_what_may_be_read_in_two_ways_is_asked_about(mixed: Run):
    rows = [{"title": "film 3", "body": "dreadful", "text": "plot wonderful"}]
    with pytest.raises(BadInput, match=r"like those of long, short.*\n.*data\.predict_as=long"):
        mixed.predict(rows)
    assert [answer["label"] for answer in mixed.predict(rows, predict_as="short")] == ["positive"]
    with pytest.raises(BadInput, match="did you mean: short"):
        mixed.predict(rows, predict_as="shrt")


def test_an_empty_cell_is_told_with_its_row(mixed: Run):
    _, empty = mixed.predict([{"title": "a", "body": "b"}, {"title": "a", "body": None}])
    assert empty == {"error": "has no text in 'text'"}


def test_it_is_evaluated_on_its_own_and_on_other_data(mixed: Run, tmp_path: Path):
    own = mixed.evaluate()
    assert own["test/accuracy"] == pytest.approx(mixed.metrics["test/accuracy"])
    assert mixed.evaluate(["data.weights=null"]) == own
    each = mixed.evaluate(["data.score_each=true"])
    assert each["test/accuracy"] == own["test/accuracy"] and {"test/long/accuracy", "val/short/loss"} <= set(
        each
    )
    files(tmp_path)
    text = (tmp_path / "short.jsonl").read_text().replace("plot", "scene")
    (tmp_path / "other.jsonl").write_text(text)
    other = ["data=files", f"data.test={tmp_path}/other.jsonl", "data/template=sentiment_words"]
    assert mixed.evaluate(other)["test/accuracy"] > 0.9


@pytest.mark.slow
def test_resumed_inside_an_epoch_ends_as_if_it_had_not_stopped(
    mixed: Run, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from pipeline.training.module import FineTuning

    step, count = FineTuning.training_step, iter(range(1, 1_000))

    def stopped(self, *arguments):
        if next(count) == 10:  # of 7 steps an epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *arguments)

    files(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(FineTuning, "training_step", stopped)
        Run.train(keys(tiny_bert, tmp_path))
    cut = Run(only_run(tmp_path))
    whole = (mixed.folder / "model/model.safetensors").read_bytes()
    assert (cut.resume().folder / "model/model.safetensors").read_bytes() == whole


@pytest.mark.slow
def test_the_command_predicts_with_a_template(mixed: Run, command: Command, tmp_path: Path):
    (tmp_path / "new.csv").write_text("title,body,text\nfilm 3,dreadful,plot wonderful\n")
    call = [f"run={mixed.folder}", "input=new.csv", "output=-"]
    done = command("predict", *call, "data.predict_as=long")
    assert json.loads(done.stdout)["label"] == "negative", done.stderr
