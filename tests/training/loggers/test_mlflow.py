import json

import pytest

from pipeline.errors import BadInput
from pipeline.training.loggers import base
from pipeline.training.loggers.mlflow import MLflow
from pipeline.training.loggers.mlflow_run import flat
from tests.training.facts import facts


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def read(folder):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/logs/mlflow/mlflow.db")
    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    return client, run


def curve(client, run, name):
    return [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]


def test_everything_can_be_read_back_and_a_resumed_run_has_each_step_once(tmp_path):
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("alembic")
    config = {
        "model": {"checkpoint": "x" * 9000, "token": "hidden-away", "odd=key?": 1, "empty": {}},
        "many": {str(number): number for number in range(150)},
        "optimizer": {"betas": [0.9, 0.999]},
    }
    logger = MLflow().build(facts(tmp_path, group="a-sweep"))
    logger.log_hyperparams(config)
    for step in range(1, 7):
        logger.log_metrics({"train/loss": float(step), "lr": 0.1}, step)
    # Killed; the last checkpoint was at step 4.
    again = MLflow().build(facts(tmp_path, group="a-sweep", segment=1))
    again.log_hyperparams(config)
    for step in range(5, 9):
        again.log_metrics({"train/loss": float(step), "lr": 0.1}, step)
    again.log_metrics({"val/accuracy": 0.75}, 6)  # Was never logged for this step.
    again.finalize("success")
    again.log_metrics({"test/accuracy": 0.5}, 8)
    again.log_table("test/confusion_matrix", [["true", "a", "b"], ["a", 3, 1], ["b", 0, 4]], 8)
    again.finalize("success")

    client, run = read(tmp_path)
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "text_classification"
    assert run.data.tags["mlflow.runName"] == "bert-lora"
    assert run.data.tags["hydratune.id"] == "3f2a9c" and run.data.tags["hydratune.group"] == "a-sweep"
    assert run.data.tags["nightly"] == "true"
    assert curve(client, run, "train/loss") == [(step, float(step)) for step in range(1, 9)]
    assert curve(client, run, "lr") == [(step, 0.1) for step in range(1, 9)]
    assert curve(client, run, "val/accuracy") == [(6, 0.75)]
    assert curve(client, run, "test/accuracy") == [(8, 0.5)]
    params = run.data.params
    assert len(params) == 4 + 150 + 1
    assert params["model.checkpoint"] == "x" * 6000 and params["many.149"] == "149"
    assert params["optimizer.betas"] == "[0.9, 0.999]" and params["model.odd_key_"] == "1"
    assert params["model.token"] == "***"
    table = next((tmp_path / "logs/mlflow/artifacts").rglob("confusion_matrix-8.json"))
    assert json.loads(table.read_text()) == {"true": ["a", "b"], "a": [3, 0], "b": [1, 4]}
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and b"hidden-away" in path.read_bytes()
    ]


def test_names():
    assert flat({"a": {"b": {"c": 1}, "d e/f": [1]}, "g": {}}) == {"a.b.c": 1, "a.d e/f": [1], "g": {}}


def test_missing_packages_are_named_together(monkeypatch):
    monkeypatch.setattr(base, "find_spec", lambda module: None)
    with pytest.raises(BadInput, match=r"mlflow-skinny.*sqlalchemy.*alembic"):
        MLflow().check()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    with pytest.raises(BadInput) as error:
        MLflow().check()
    assert "sqlalchemy" not in str(error.value)
