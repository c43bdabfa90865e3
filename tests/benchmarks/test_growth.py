"""What a token costs beyond the smaller run, and the profile that says how long the loop waits."""

import json

import pytest

from benchmarks.growth import COLUMNS, main, table, waiting

PROFILE = """FIT Profiler Report
|  Action  |  Mean duration (s) | Num calls | Total time (s) | Percentage % |
|  Total  |  -  |  99  |  12.5  |  100 %  |
|  run_training_epoch  |  10.0  |  1  |  10.0  |  80.0  |
|  [_TrainingEpochLoop].train_dataloader_next  |  0.005  |  100  |  0.5  |  4.0  |
"""


def run(rows: int, cpu: float, memory: int) -> dict:
    return {
        "rows": rows,
        "tokens": 10 * rows,
        "prepare_cpu_seconds": 7.0,
        "cpu_seconds": cpu,
        "waiting": 0.05,
        "memory": memory << 20,
    }


def test_the_cost_of_a_token_is_what_more_of_them_take():
    found = table([run(10, 20.0, 500), run(100, 20.9, 500), run(1_000, 30.8, 550)])
    assert [len(row) for row in found] == [len(COLUMNS)] * 3
    assert [row[4] for row in found] == ["", "1000", "1100 (+10.0%)"]
    assert [row[6] for row in found] == ["500", "500 (+0.0%)", "550 (+10.0%)"]


def test_waiting_is_a_share_of_the_epoch():
    assert waiting(PROFILE) == pytest.approx(0.05)


@pytest.mark.parametrize(("option", "value"), [("--rows", "1"), ("--threads", "0")])
def test_nothing_to_measure_is_refused(option: str, value: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as left:
        main([option, value])
    assert left.value.code == 2 and f"{option}: {value}" in capsys.readouterr().err


@pytest.mark.slow
def test_it_runs(tmp_path, warm):
    output = tmp_path / "growth.json"
    main(["--rows", "32", "--output", str(output)])
    found = json.loads(output.read_text())["runs"]
    assert [each["rows"] for each in found] == [32, 320, 3_200]
    assert all(0 < each["waiting"] < 1 and each["tokens"] > each["rows"] for each in found)
    assert output.with_suffix(".md").read_text().count("| 3,200 |") == 1
