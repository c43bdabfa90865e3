"""A whole run, and what it leaves: scores that others agree with, a model that plain transformers loads."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn import metrics as sklearn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from pipeline import Run
from pipeline.errors import BadInput, Problem
from pipeline.launch import work as working

QUICK = ["debug=fast"]


def test_scores_are_those_of_scikit_learn(finished: Path) -> None:
    rows = [json.loads(line) for line in (finished / "predictions/test.jsonl").open()]
    true, said = [row["label"] for row in rows], [row["prediction"]["label"] for row in rows]
    scores = Run(finished).metrics
    assert scores["test/accuracy"] == pytest.approx(sklearn.accuracy_score(true, said), abs=1e-6)
    assert scores["test/f1"] == pytest.approx(sklearn.f1_score(true, said, average="macro"), abs=1e-6)
    probability = [row["prediction"]["scores"]["good"] for row in rows]
    assert scores["test/auroc"] == pytest.approx(
        sklearn.roc_auc_score([t == "good" for t in true], probability), abs=1e-6
    )
    confusion = [row[1:] for row in scores["tables"]["test/confusion_matrix"][1:]]
    assert confusion == sklearn.confusion_matrix(true, said).tolist()
    assert scores["test/accuracy"] > 0.8, "the made-up reviews are easy"


def test_the_model_is_one_of_transformers(finished: Path) -> None:
    row = json.loads((finished / "predictions/test.jsonl").open().readline())
    classify = pipeline("text-classification", model=str(finished / "model"))
    (said,) = classify([row["text"]])
    assert said["label"] == row["prediction"]["label"]
    assert said["score"] == pytest.approx(row["prediction"]["score"], abs=1e-4)


def test_the_loss_is_that_of_the_model_itself(finished: Path) -> None:
    """The test loss over all rows is what Hugging Face's model gives for them in one batch."""
    rows = [json.loads(line) for line in (finished / "predictions/test.jsonl").open()]
    model = AutoModelForSequenceClassification.from_pretrained(finished / "model")
    tokenizer = AutoTokenizer.from_pretrained(finished / "model")
    batch = tokenizer([row["text"] for row in rows], padding=True, return_tensors="pt")
    labels = torch.tensor([model.config.label2id[row["label"]] for row in rows])
    with torch.inference_mode():
        loss = model.eval()(**batch, labels=labels).loss
    assert Run(finished).metrics["test/loss"] == pytest.approx(float(loss), abs=1e-5)


@pytest.mark.slow
def test_the_same_call_is_the_same_run(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [Run.train([*small, *QUICK, "seed=0"]) for _ in range(2)]
    other = Run.train([*small, *QUICK, "seed=1"])
    assert runs[0].folder != runs[1].folder
    assert runs[0].manifest["id"] == runs[1].manifest["id"] != other.manifest["id"]
    for name in ("metrics.json", "logs/csv/metrics.csv", "model/model.safetensors", "predictions/test.jsonl"):
        hashes = [hashlib.sha256((run.folder / name).read_bytes()).hexdigest() for run in [*runs, other]]
        assert hashes[0] == hashes[1] != hashes[2], name


def card_loads_the_adapter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By PEFT, as the model card says, and it is the merged model."""
    code = (folder / "README.md").read_text().split("```python\n")[2].split("```")[0]
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(code, names)
    merged = AutoModelForSequenceClassification.from_pretrained(folder / "model")
    ids = torch.tensor([[101, 2143, 2003, 102]])
    torch.testing.assert_close(names["tuned"](ids).logits, merged(ids).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("strategy", ["lora", "frozen_backbone"])
def test_checkpoints_hold_what_is_trained(
    strategy: str, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run.train([*small, *QUICK, f"strategy={strategy}"])
    best = torch.load(run.folder / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    trained = sum(value.numel() for name, value in best.items() if not name.endswith("position_ids"))
    assert trained == run.manifest["prepared"]["trainable"] < run.manifest["prepared"]["total"] / 10
    head = {"lora": "classifier", "frozen_backbone": "head"}[strategy]
    assert any(f".{head}." in name for name in best), "the head is there"
    assert (run.folder / "model/adapter/adapter_model.safetensors").exists() == (strategy == "lora")
    if strategy == "lora":
        card_loads_the_adapter(run.folder, monkeypatch)
    assert any(f"newly initialised: {head}" in line for line in run.manifest["weights"])


@pytest.mark.slow
def test_every_logger_callback_and_set_at_once(
    small: list[str], reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named validation sets, plateau, early stopping, a step-0 evaluation and a profile, with W&B and csv."""
    monkeypatch.chdir(tmp_path)
    run = Run.train(
        [
            *small,
            "data.limit=48",
            f"data.validation={{first: {reviews}, second: {reviews}}}",
            "data.audit=off",  # These are training rows.
            "scheduler=plateau",
            "scheduler.patience=0",
            "optimizer=sgd",
            "optimizer.lr=1e-9",
            "trainer.max_epochs=9",
            "trainer.log_every=1",
            "trainer.evaluate_first=true",
            "trainer.monitor=val/second/f1",
            "trainer.profiler=simple",
            "callbacks.early_stopping.patience=2",
            "logger=[csv,wandb]",
        ]
    )
    log = (run.folder / "logs/csv/metrics.csv").read_text().splitlines()
    scored = [line.split(",")[0] for line in log if ",val/second/f1," in line]
    assert scored[0] == "0" and 2 < len(scored) < 9, f"stopped early, after validations at steps {scored}"
    rates = [float(line.split(",")[2]) for line in log if ",lr," in line]
    assert rates[-1] < max(rates), "the plateau was noticed"
    assert run.metrics["monitor"] == "val/second/f1" and "val/first/accuracy" in run.metrics
    assert list(run.folder.glob("logs/*profile*")) and list(run.folder.glob("logs/wandb/**/*.wandb"))


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        (["data.columns.text=txt"], "data.columns.text"),
        (["data.train=missing.csv"], "data.train"),
        (["strategy=lora", "strategy.modules=[qeury]"], "strategy.modules"),
        (["trainer.monitor=val/acuracy"], "trainer.monitor"),
        (["hardware=gpu"], "hardware.accelerator"),
        (["model.checkpoint=./nowhere"], "model.checkpoint"),
    ],
)
def test_mistakes_in_data_and_model_leave_nothing(
    keys: list[str], where: str, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if keys == ["hardware=gpu"] and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    monkeypatch.chdir(tmp_path)
    small = [key for key in small if key.partition("=")[0] not in {k.partition("=")[0] for k in keys}]
    with pytest.raises(BadInput) as caught:
        Run.train([*small, *keys])
    assert where in [problem.where for problem in caught.value.problems]
    assert not (tmp_path / "outputs").exists()


def test_a_lost_head_is_noticed(finished: Path, small: list[str]) -> None:
    """Lightning would load a checkpoint without the head in silence when loading is not strict."""
    from pipeline.strategies.base import trained_keys
    from pipeline.training.module import FineTuning

    model = AutoModelForSequenceClassification.from_pretrained(finished / "model")
    module = FineTuning.__new__(FineTuning)
    torch.nn.Module.__init__(module)
    module.model, module.trained = model, {f"model.{name}" for name in trained_keys(model)}
    state = {name: value for name, value in module.state_dict().items() if "classifier" not in name}
    with pytest.raises(RuntimeError, match=r"missing \['model\.classifier\.bias'"):
        module.load_state_dict(state)


def test_nothing_is_left_of_a_new_run_that_is_refused(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the outputs of the working folder, whose path is relative."""

    def refuse(*_: Any) -> None:
        raise BadInput(Problem("model", "does not fit"))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(working, "_work", refuse)
    with pytest.raises(BadInput, match="does not fit"):
        Run.train(small)
    assert list((tmp_path / "outputs").iterdir()) == []
