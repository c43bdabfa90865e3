"""Scores of a finished run, on its own data and on other."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.evaluate import main
from tests.outcomes import code_of


@pytest.fixture
def new(tmp_path: Path, finished: Path) -> Path:
    """The test rows of the finished run, in a file with other column names."""
    path = tmp_path / "new reviews.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["what they: wrote", "class, true"])
        for line in (finished / "predictions/test.jsonl").read_text().splitlines():
            row = json.loads(line)
            writer.writerow([row["text"], row["label"]])
    return path


def keys(path: Path) -> list[str]:
    return [
        "data=files",
        f"data.test='{path}'",
        "data.columns.text='what they: wrote'",
        "data.columns.label='class, true'",
    ]


def of_split(metrics: dict, split: str) -> dict:
    return {name: value for name, value in metrics.items() if name.startswith(f"{split}/")}


def test_own_data_gives_exactly_what_the_run_wrote(finished: Path):
    run = Run(finished)
    scores = run.evaluate()
    assert scores == of_split(run.metrics, "test") | of_split(run.metrics, "val")
    assert len(scores) > 20


def test_other_data_with_odd_names(finished: Path, new: Path, capsys):
    assert code_of(main, f"run={finished}", *keys(new)) == 0
    shown = capsys.readouterr().out
    assert "test/confusion_matrix" in shown
    scores = Run(finished).evaluate(keys(new))
    assert scores == pytest.approx(of_split(Run(finished).metrics, "test"))
    assert f"{scores['test/loss']:.4f}" in shown


def test_accuracy_is_that_of_the_predictions(finished: Path, new: Path):
    from sklearn.metrics import accuracy_score, f1_score

    with new.open(newline="") as file:
        rows = list(csv.DictReader(file))
    said = [row["label"] for row in Run(finished).predict(rows, columns={"text": "what they: wrote"})]
    truth = [row["class, true"] for row in rows]
    scores = Run(finished).evaluate(keys(new))
    assert scores["test/accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert scores["test/f1"] == pytest.approx(f1_score(truth, said, average="macro"))


def test_more_test_data_never_brings_rows_that_were_trained_on(finished: Path, reviews: Path, tmp_path: Path):
    # With a test file of its own the held-out validation rows would be others than those of the run.
    same = shutil.copy(reviews, tmp_path / "same.csv")
    scores = Run(finished).evaluate([f"data.test={same}"])
    assert of_split(scores, "val") == {} and of_split(scores, "test")
    with pytest.raises(BadInput, match="trained on a part"):
        Run(finished).evaluate(["data.split.seed=5"])


def test_the_training_file_moved_elsewhere_is_held_out_of_as_before(
    finished: Path, reviews: Path, tmp_path: Path
):
    moved = shutil.copy(reviews, tmp_path / "moved.csv")
    scores = Run(finished).evaluate([f"data.train={moved}"])
    assert of_split(scores, "test") == of_split(Run(finished).evaluate(), "test")
    assert of_split(scores, "val")


def test_a_limit_draws_from_the_held_out_rows(finished: Path):
    scores = Run(finished).evaluate(["data.limit=10"])
    assert scores["test/accuracy"] * 10 == pytest.approx(round(scores["test/accuracy"] * 10))


def test_other_training_rows_alone_are_divided_as_in_training(finished: Path, new: Path):
    scores = Run(finished).evaluate([key.replace("data.test", "data.train") for key in keys(new)])
    assert of_split(scores, "val") and of_split(scores, "test")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["data=files", "data.test=NEW"], "has no column 'text'"),
        (["data=files", "data.test=NEW", "data.columns.txt=a"], "the task has no column 'txt'"),
        (["data=files", "data.test=NEWS"], "there is no file"),
        (["data=files", "data.tets=NEW"], "data.tets: unknown key"),
        (["data=fils"], "did you mean: files"),
        (["optimizer.lr=1"], "belongs to how the run was trained"),
        (["hardware.accelerator=tpu"], "hardware.accelerator"),
        (["data.limit=0"], "data.limit"),
    ],
)
def test_mistakes_are_told_with_code_2(finished: Path, new: Path, overrides: list[str], said: str, capsys):
    plain = shutil.copy(new, new.with_name("plain.csv"))
    words = [word.replace("NEWS", f"{plain}s").replace("NEW", str(plain)) for word in overrides]
    assert code_of(main, f"run={finished}", *words) == 2
    assert said in capsys.readouterr().err


def test_a_label_that_the_model_does_not_know(finished: Path, tmp_path: Path, capsys):
    path = tmp_path / "labels.csv"
    path.write_text("text,label\nfilm,good\nplot,goof\n")
    assert code_of(main, f"run={finished}", "data=files", f"data.test={path}") == 2
    error = capsys.readouterr().err
    assert "no label 'goof': " in error and "did you mean: good" in error
    assert "labels.csv:3 ('plot')" in error


def test_scores_for_a_program(finished: Path, tmp_path: Path, capsys):
    path = tmp_path / "scores.json"
    assert code_of(main, f"run={finished}", f"output={path}") == 0
    found = json.loads(path.read_text())
    assert found["metrics"] == pytest.approx(Run(finished).evaluate()) and "test/accuracy" in found["metrics"]
    assert any(name.startswith("test/") for name in found["tables"])
    assert code_of(main, f"run={finished}", f"output={tmp_path / 'scores.csv'}") == 2
    assert "no file of JSON" in capsys.readouterr().err


def test_which_run(finished: Path, tmp_path: Path, capsys):
    assert code_of(main) == 2
    assert "which run?" in capsys.readouterr().err
    assert code_of(main, f"run={finished}x") == 2
    assert f"did you mean: {finished.name}" in capsys.readouterr().err
    assert code_of(main, f"run={tmp_path}") == 2
    assert "no manifest.json" in capsys.readouterr().err
    shutil.copytree(finished, tmp_path / "cut")
    manifest = tmp_path / "cut/manifest.json"
    manifest.write_text(manifest.read_text().replace('"state": "finished"', '"state": "failed"'))
    assert code_of(main, f"run={tmp_path / 'cut'}") == 2
    assert "is failed: it has no finished model" in capsys.readouterr().err
