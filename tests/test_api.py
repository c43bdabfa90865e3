"""The Python API does what the commands do, and raises instead of exiting."""

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from pipeline import Run
from pipeline.errors import BadInput
from pipeline.launch import work
from tests.conftest import LEARNING, ROOT, Command, only_run


def test_importing_the_package_and_the_class_is_light():
    code = "import sys; from pipeline import Run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "lightning", "datasets", "hydra"} & set(done.stdout.split()) == set()


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="Rum"):
        _ = pipeline.Rum


def test_a_finished_run_shows_what_it_is(finished: Path, reviews: Path):
    run = Run(finished)
    assert run.folder == finished and run.state == "finished"
    assert run.metrics == json.loads((finished / "metrics.json").read_text())
    assert run.metrics["test/accuracy"] > 0.8  # one word tells the class
    assert run.manifest["id"] in finished.name
    assert run.config["data"]["train"] == str(reviews) and run.config["optimizer"]["lr"] == 5e-3


@pytest.mark.slow
def test_same_words_as_the_command_give_the_same_run(small: list[str], command: Command, tmp_path: Path):
    words = [*small, "debug=fast"]
    done = command("train", *words)
    assert done.returncode == 0, done.stderr
    there = Run(only_run(tmp_path))
    here = Run.train([*words, f"paths.outputs={tmp_path / 'api'}"])
    assert here.manifest["id"] == there.manifest["id"]
    assert here.metrics == there.metrics


def test_plan_and_prepare_write_no_run(small: list[str], tmp_path: Path):
    outputs = f"paths.outputs={tmp_path / 'outputs'}"
    plan = Run.plan([*small, "trainer.max_epochs=3", "trainer.batch_size=32", outputs])
    assert plan["steps"].startswith("18 = 3 epochs of 6")  # 192 of 240 rows are for training
    prepared = Run.prepare([*small, outputs])
    assert prepared.rows == {"train": 192, "validation": 24, "test": 24}
    assert not (tmp_path / "outputs").exists()


def test_every_mistake_is_raised_and_none_exits(small: list[str]):
    with pytest.raises(BadInput) as caught:
        Run.train([*small, "optimizer.lr=-1", "strategi=lora", "trainer.batch_size=many"])
    assert {problem.where for problem in caught.value.problems} == {
        "optimizer.lr",
        "strategi",
        "trainer.batch_size",
    }
    with pytest.raises(TypeError, match="list"):
        Run.train("model=bert")
    with pytest.raises(BadInput, match="no folder"):
        Run("outputs/nowhere")


def cut_off(words: list[str], outputs: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that was trained but never finished."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(work, "_fit", stop)
        with pytest.raises(KeyboardInterrupt):
            Run.train([*words, f"paths.outputs={outputs}"])
    (manifest,) = outputs.glob("*/*/*/manifest.json")
    return Run(manifest.parent)


def test_resume_brings_a_cut_off_run_to_its_end(
    small: list[str], finished: Path, tmp_path: Path, monkeypatch
):
    run = cut_off([*small, *LEARNING, "trainer.max_epochs=1"], tmp_path, monkeypatch)
    assert run.state == "interrupted" and run.metrics == {}
    with pytest.raises(BadInput, match="no finished model"):
        run.predict(["a text"])
    with pytest.raises(BadInput, match=r"optimizer\.lr"):
        run.resume(["optimizer.lr=0.5"])
    again = run.resume(["trainer.max_epochs=8"])
    assert again.folder == run.folder and run.state == "finished"
    assert run.metrics == Run(finished).metrics
    with pytest.raises(BadInput, match="has finished"):
        run.resume()


def test_a_new_run_that_its_model_refuses_leaves_nothing(small: list[str], tiny_bert: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    # Whole files, and not of this model: their headers show that before there is a run.
    other = shutil.copytree(tiny_bert, tmp_path / "other")
    weights = {f"not.{name}": value for name, value in load_file(other / "model.safetensors").items()}
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    outputs = tmp_path / "outputs"
    with pytest.raises(BadInput, match="are not those of"):
        Run.train([*small, f"model.checkpoint={other}", f"paths.outputs={outputs}"])
    assert not outputs.exists()


def test_predictions_are_those_of_plain_transformers(finished: Path):
    from transformers import pipeline as hugging_face

    texts = ["a wonderful film", "dreadful", "plot and music and a wonderful ending of it all"]
    said = Run(finished).predict(texts)
    for ours, theirs in zip(
        said, hugging_face("text-classification", model=str(finished / "model"))(texts), strict=True
    ):
        assert ours["label"] == theirs["label"]
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-5)
    assert [row["label"] for row in said] == ["good", "bad", "good"]


def test_rows_may_be_texts_or_named_as_in_training_or_as_asked(finished: Path):
    run, text = Run(finished), "a dreadful film"
    expected = run.predict([text])
    assert run.predict([{"review body": text, "verdict": "good"}]) == expected
    assert run.predict([{"text": text}]) == expected
    assert run.predict([{"body": text}], columns={"text": "body"}) == expected
    assert run.predict([]) == []
    with pytest.raises(BadInput, match="its columns are: body"):
        run.predict([{"body": text}])
    for rows, said in ((text, r"rows: one str.*\[row\]"), ([text, None], "row 2: None is no row")):
        with pytest.raises(BadInput, match=re.compile(said, re.DOTALL)):
            run.predict(rows)


def test_the_order_of_rows_changes_nothing(finished: Path):
    draw = random.Random(1)
    texts = [
        " ".join(draw.choices(["film", "plot", "wonderful", "dreadful"], k=draw.randint(1, 40)))
        for _ in range(200)
    ]
    run = Run(finished)
    expected = dict(zip(texts, run.predict(texts), strict=True))
    shuffled = draw.sample(texts, len(texts))
    for text, said in zip(shuffled, run.predict(shuffled), strict=True):
        # Other neighbours of the same length in a batch may round the last bits otherwise.
        assert said["label"] == expected[text]["label"]
        assert said["scores"] == pytest.approx(expected[text]["scores"], abs=1e-6)
    alone = run.predict(texts[:1])[0]
    assert alone["score"] == pytest.approx(expected[texts[0]]["score"], abs=1e-5)


def test_a_moved_run_works_where_it_is(finished: Path, tmp_path: Path):
    moved = shutil.copytree(finished, tmp_path / "with spaces, and commas=")
    assert Run(moved).predict(["wonderful"]) == Run(finished).predict(["wonderful"])
