"""A sweep is a run of its own on W&B: read back from what an offline one leaves."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.launch.sweeps.wandb_summary import COLUMNS, log_summary
from pipeline.training.loggers.wandb import Wandb
from pipeline.training.loggers.wandb_record import records


def trial(number: int, state: str, value: float | None, error: str | None = None) -> dict[str, Any]:
    words = [f"optimizer.lr=1e-{number}"]
    return {
        "number": number,
        "overrides": words,
        "runs": [f"id{number}"],
        "state": state,
        "value": value,
        "error": error,
    }


def test_the_table_of_the_trials(tmp_path: Path) -> None:
    trials = [
        trial(0, "finished", 0.5),
        trial(1, "finished", 0.75),
        trial(2, "failed", None, "password=hunter2"),
    ]
    sweep = {"sweeper": "optuna", "monitor": "val/f1", "mode": "max", "space": {}, "seeds": None}
    sweep |= {"common": ["strategy=lora"], "trials": trials}
    folder = tmp_path / "ranks"
    folder.mkdir()
    spec: Any = SimpleNamespace(logger={"csv": None, "wandb": Wandb(mode="offline", project="mine")})
    log_summary(spec, folder, sweep)
    (file,) = folder.glob("logs/wandb/offline-run-*/*.wandb")
    found = list(records(file))
    (run,) = [record.run for record in found if record.HasField("run")][:1]
    assert (run.project, run.run_group, run.job_type, run.display_name) == ("mine", "ranks", "sweep", "ranks")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["sweeper"] == "optuna" and config["common"] == ["strategy=lora"]
    summary: dict[str, Any] = {}
    for record in found:
        if record.HasField("summary"):
            for item in record.summary.update:
                summary["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    assert summary["best/value"] == 0.75 and summary["best/overrides"] == "optimizer.lr=1e-1"
    (table,) = folder.glob("logs/wandb/offline-run-*/files/media/table/*.json")
    content = json.loads(table.read_text())
    assert tuple(content["columns"]) == COLUMNS and [row[2] for row in content["data"]] == [0.5, 0.75, None]
    assert "hunter2" not in table.read_text()


def test_nothing_without_the_logger(tmp_path: Path) -> None:
    for logger in ({}, {"wandb": Wandb(mode="disabled")}):
        log_summary(SimpleNamespace(logger=logger), tmp_path, {})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
