"""Logs, read back."""

from pathlib import Path

from pipeline.reporting.report.curves import by_metric, curves, tokens_per_second

LOG = """step,name,value
10,train/loss,0.75
10,lr,0.001
20,train/loss,0.5
20,lr,0.0005
20,train/loss,nan
20,val/loss,0.6
20,val/f1,0.5
20,val/f1/news,0.4
20,val/recent/loss,0.7
20,val/recent/f1,0.3
40,val/loss,0.5
40,val/f1,0.75
40,val/f1/news,0.4
40,val/recent/loss,0.6
40,val/recent/f1,0.35
40,test/loss,0.4
40,tra"""


def test_curves_by_metric_and_split(tmp_path: Path):
    (tmp_path / "logs/csv").mkdir(parents=True)
    (tmp_path / "logs/csv/metrics.csv").write_text(LOG)
    (tmp_path / "logs/csv/timing.csv").write_text(
        "step,name,value\n" + "".join(f"1,time/tokens_per_second,{speed}\n" for speed in (1, 300, 200))
    )
    found = curves(tmp_path)
    assert found["train/loss"] == [(10, 0.75), (20, 0.5)]
    grouped = by_metric(found)
    assert set(grouped) == {"loss", "lr", "f1"}
    assert set(grouped["loss"]) == {"train", "val", "val/recent"}
    assert grouped["f1"] == {"val": [(20, 0.5), (40, 0.75)], "val/recent": [(20, 0.3), (40, 0.35)]}
    assert grouped["lr"] == {"": [(10, 0.001), (20, 0.0005)]}
    assert tokens_per_second(tmp_path) == 200


def test_a_run_without_logs_has_no_curves(tmp_path: Path):
    assert curves(tmp_path) == {} and tokens_per_second(tmp_path) is None
