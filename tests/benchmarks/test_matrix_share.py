"""The share is of operations that tokens take; a run of the program is measured."""

import json

import pytest

from benchmarks.matrix_share import COLUMNS, TRAINED, main, table


def test_a_share_is_operations_by_rate():
    run = {"case": "lora", "precision": "32", "tokens_per_second": 1_000.0}
    (row,) = table([{**run, "flops_per_token": 5e7, "matrix_rate": 1e11}])
    assert row == ("LoRA, short texts", "32", "1,000", "50", "100", "50%")
    assert len(row) == len(COLUMNS) and TRAINED == ["full", "full_256", "lora"]


def test_what_trains_no_matrix_is_refused(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as left:
        main(["--cases", "frozen"])
    assert left.value.code == 2
    assert "there are full, full_256, lora" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_is_measured(tmp_path, warm):
    output = tmp_path / "share.json"
    main(["--cases", "lora", "--rows", "64", "--threads", "1", "--output", str(output)])
    (run,) = json.loads(output.read_text())["runs"]
    assert run["precision"] in ("32", "bf16") and run["threads"] == 1
    # MiniLM has 10.6 million weights in matrices: 4 operations each forward and back, and LoRA's own.
    assert 4 * 10.6e6 < run["flops_per_token"] < 4.5 * 10.6e6
    assert 0 < run["tokens_per_second"] * run["flops_per_token"] < run["matrix_rate"]
    assert "LoRA, short texts" in output.with_suffix(".md").read_text()
