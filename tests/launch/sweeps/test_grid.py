"""A grid through the whole program: frozen first, a failing job ends no other, the same call goes on."""

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import Command

FAILING = '''
from pipeline.component import component
from pipeline.training.specs import CallbackSpec


@component
class Fails(CallbackSpec):
    """Fails in training when told to."""

    when: bool = False

    def build(self, facts):
        from lightning.pytorch import Callback

        class Failing(Callback):
            def on_train_start(callback, trainer, module):
                if self.when:
                    raise RuntimeError("as asked")

        return Failing()
'''


@pytest.mark.slow
def test_a_failing_job_ends_no_other(small: list[str], command: Command, tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    (tmp_path / "conf/callbacks").mkdir(parents=True)
    (tmp_path / "conf/callbacks/fails.yaml").write_text(
        "# Fails when told to.\ndefaults:\n  - default\nfails:\n  _target_: failing.Fails\n  when: false\n"
    )
    keys = ["-m", "--trust", "failing", *small, "debug=fast", "callbacks=fails"]
    keys += ["callbacks.fails.when=true,false", "seed=0,1", "name=grid"]
    done = command("train", *keys, env={"COLUMNS": "200"})
    sweep = tmp_path / "outputs/sweeps/grid"
    with (sweep / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["finished", "finished", "failed", "failed"], done.stderr
    assert all("as asked" in row["error"] for row in rows[2:])
    assert done.returncode == 1 and "2 of 4 configurations" in done.stderr
    assert float(rows[0]["optimized_metric"]) >= float(rows[1]["optimized_metric"])
    before = finished_in(sweep)
    assert len(before) == 2 and (sweep / "best").resolve() == sweep / rows[0]["id"]
    written = "\n  ".join(("leaderboard.csv", "report.html", "best", "sweep.json"))
    assert f"{sweep.relative_to(tmp_path)}\n  {written}" in done.stdout
    assert "as asked" in (sweep / "report.html").read_text()
    assert " callbacks.fails.when=True seed=0 " in done.stdout
    assert "name=grid" not in done.stdout and "name=grid" in rows[0]["overrides"]
    assert done.stderr.count("is tried again (1 of 1): RuntimeError: as asked") == 2
    record = json.loads((sweep / "sweep.json").read_text())
    assert [trial["state"] for trial in record["trials"]] == ["failed", "failed", "finished", "finished"]
    assert record["space"] == {"callbacks.fails.when": "true,false", "seed": "0,1"}
    assert "name=grid" in record["common"] and record["trials"][3]["overrides"][1] == "seed=1"
    again = command("train", *keys)
    assert again.stderr.count("is not tried again") == again.stderr.count("had finished") == 2
    assert finished_in(sweep) == before, again.stderr


def finished_in(sweep: Path) -> dict[Path, int]:
    """When the scores of each run were written."""
    runs = [path for path in sweep.glob("*/metrics.json") if not path.parent.is_symlink()]
    return {path: path.stat().st_mtime_ns for path in runs}


def test_a_mistake_in_any_job_stops_all_before_the_first(
    small: list[str], command: Command, tmp_path: Path
) -> None:
    done = command("train", "-m", *small, "optimizer.lr=1e-3,-1", "strategy=full,lroa")
    assert done.returncode == 2
    assert "optimizer.lr" in done.stderr and "lora" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "outputs").exists()
