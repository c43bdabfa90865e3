import csv
import math
import struct

import pytest

from pipeline.training.loggers.base import LogsFiles, LogsTables, Rewinds
from pipeline.training.loggers.csv import Csv
from tests.training.facts import facts


def read(path):
    with path.open(newline="") as file:
        return [(int(row["step"]), row["name"], float(row["value"])) for row in csv.DictReader(file)]


def log_steps(logger, first, last):
    for step in range(first, last + 1):
        logger.log_metrics({"lr": 1 / step, "time/steps_per_second": 3.0}, step)
        logger.log_metrics({"train/loss": math.sqrt(step)}, step)


def test_values_come_back_bit_for_bit(tmp_path):
    logger = Csv().build(facts(tmp_path))
    values = {"a": 0.1 + 0.2, "b": 5e-324, "c": math.inf, "d": 1, "e": math.nan, 'odd, "name"': -0.0}
    logger.log_metrics(values, 3)
    rows = read(tmp_path / "logs/csv/metrics.csv")
    assert [(step, name) for step, name, _ in rows] == [(3, name) for name in values]
    for (_, _, value), expected in zip(rows, values.values(), strict=True):
        assert struct.pack("d", value) == struct.pack("d", expected)


def test_rows_are_on_disk_before_the_run_ends_and_timing_apart(tmp_path):
    log_steps(Csv().build(facts(tmp_path)), 1, 2)
    assert read(tmp_path / "logs/csv/metrics.csv") == [
        (1, "lr", 1.0),
        (1, "train/loss", 1.0),
        (2, "lr", 0.5),
        (2, "train/loss", math.sqrt(2)),
    ]
    assert read(tmp_path / "logs/csv/timing.csv") == [
        (1, "time/steps_per_second", 3.0),
        (2, "time/steps_per_second", 3.0),
    ]


@pytest.mark.parametrize("torn", [b"", b"7,train/lo"])
def test_a_resumed_run_writes_the_same_file(tmp_path, torn):
    log_steps(Csv().build(facts(tmp_path / "whole")), 1, 9)

    logger = Csv().build(facts(tmp_path / "cut"))
    log_steps(logger, 1, 4)
    position = logger.position()
    log_steps(logger, 5, 6)
    path = tmp_path / "cut/logs/csv/metrics.csv"
    path.write_bytes(path.read_bytes() + torn)  # Killed in the middle of a line.

    again = Csv().build(facts(tmp_path / "cut", segment=1))
    again.truncate(position)
    log_steps(again, 5, 9)
    assert path.read_bytes() == (tmp_path / "whole/logs/csv/metrics.csv").read_bytes()


def test_a_run_that_starts_over_writes_the_same_file(tmp_path):
    logger = Csv().build(facts(tmp_path))
    assert logger.position() == 0
    logger.truncate(0)
    log_steps(logger, 1, 3)
    content = logger.metrics.read_bytes()
    again = Csv().build(facts(tmp_path, segment=1))
    again.truncate(0)
    log_steps(again, 1, 3)
    assert logger.metrics.read_bytes() == content


def test_a_position_behind_the_end_is_refused(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        Csv().build(facts(tmp_path)).truncate(10)


def test_the_latest_table_stays(tmp_path):
    logger = Csv().build(facts(tmp_path))
    for count in (1, 2):
        logger.log_table("test/confusion_matrix", [["true", "a, b"], ["a, b", count]], count)
    with (tmp_path / "logs/csv/test_confusion_matrix.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["true", "a, b"], ["a, b", "2"]]


def test_protocols(tmp_path):
    logger = Csv().build(facts(tmp_path))
    assert isinstance(logger, Rewinds) and isinstance(logger, LogsTables)
    assert not isinstance(logger, LogsFiles)
