import pytest

from pipeline.errors import BadInput
from pipeline.training.loggers import base
from pipeline.training.loggers.tensorboard import TensorBoard
from tests.training.facts import facts


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "logs/tensorboard"))
    events.Reload()
    return events


def curve(events, name):
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(name)]


def test_curves_config_and_tables(tmp_path):
    logger = TensorBoard().build(facts(tmp_path))
    logger.log_hyperparams({"optimizer": {"lr": 0.1}, "hub": {"token": "hidden-away"}})
    for step in (1, 2):
        logger.log_metrics({"train/loss": 1 / step, "epoch": 0.0}, step)
    logger.finalize("success")  # After the fit, by Lightning; the test comes later.
    logger.log_metrics({"test/accuracy": 0.5}, 2)
    logger.log_table("test/confusion_matrix", [["true", "a", "b"], ["a", 3, 1], ["b", 0, 4]], 2)
    logger.finalize("success")

    events = read(tmp_path)
    assert curve(events, "train/loss") == [(1, 1.0), (2, 0.5)]
    assert curve(events, "test/accuracy") == [(2, 0.5)]
    assert events.Tags()["scalars"] == ["train/loss", "epoch", "test/accuracy"]
    config = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "lr: 0.1" in config and "hidden-away" not in config
    table = events.Tensors("test/confusion_matrix/text_summary")[0].tensor_proto.string_val[0].decode()
    assert table.splitlines() == ["| true | a | b |", "| --- | --- | --- |", "| a | 3 | 1 |", "| b | 0 | 4 |"]
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and b"hidden-away" in path.read_bytes()
    ]


def test_a_resumed_run_has_each_step_once(tmp_path):
    logger = TensorBoard().build(facts(tmp_path))
    logger.log_hyperparams({"seed": 0})
    for step in range(1, 7):
        logger.log_metrics({"train/loss": float(step)}, step)
    logger.save()  # Then killed; the last checkpoint was at step 4.

    again = TensorBoard().build(facts(tmp_path, segment=1))
    again.log_hyperparams({"seed": 0})
    for step in range(5, 9):
        again.log_metrics({"lr": 0.1}, step)
        again.log_metrics({"train/loss": float(step)}, step)
    again.finalize("success")
    again.log_metrics({"test/accuracy": 0.5}, 8)  # Reopens the file, and must not purge again.
    again.finalize("success")

    events = read(tmp_path)
    assert curve(events, "train/loss") == [(step, float(step)) for step in range(1, 9)]
    assert curve(events, "lr") == [(step, 0.1) for step in range(5, 9)]
    assert len(events.Tensors("config/text_summary")) == 1


def test_a_missing_package_is_named_with_what_to_do(monkeypatch):
    TensorBoard().check()
    monkeypatch.setattr(base, "find_spec", lambda module: None)
    with pytest.raises(BadInput) as error:
        TensorBoard().check()
    (problem,) = error.value.problems
    assert problem.where == "logger=tensorboard"
    assert "python -m pip install 'tensorboard>=2.18'" in problem.allowed
