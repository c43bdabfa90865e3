"""Ratios within a round, scores that must agree, and both sides asked for the same."""

import json

import pytest

from benchmarks.speed import AS_IT_COMES, BEST, CASES, COLUMNS, LIGHTNING, OURS, check, main, table
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load


def run(number: int, side: str, seconds: float, accuracy: float = 0.8) -> dict:
    return {
        "round": number,
        "case": "lora",
        "side": side,
        "seconds": seconds,
        "cpu_seconds": 2 * seconds,
        "memory": 2**30,
        "accuracy": accuracy,
    }


def test_ratios_are_of_one_round():
    found = [run(0, OURS, 10), run(0, BEST, 30), run(1, OURS, 20), run(1, BEST, 40), run(2, BEST, 90)]
    ours, best = table(found)
    assert ours == (CASES["lora"].about, OURS, "15", "1.00 ×", "30", "1.00 ×", "1,024", "80.00")
    assert best == (CASES["lora"].about, BEST, "35", "2.50 ×", "70", "2.50 ×", "1,024", "80.00")
    assert len(ours) == len(COLUMNS)


def test_other_scores_are_no_comparison():
    check([run(0, OURS, 10, 0.80), run(0, AS_IT_COMES, 10, 0.76)])
    with pytest.raises(RuntimeError, match="lora: other scores"):
        check([run(0, OURS, 10, 0.80), run(0, AS_IT_COMES, 10, 0.74)])


@pytest.mark.parametrize("name", CASES)
def test_cases_compose(name: str):
    spec = load(
        compose(["model=bert", f"strategy={CASES[name].strategy}", "logger=none", *CASES[name].words])
    )
    assert spec.trainer.max_epochs in (3, 10)


def test_an_unknown_case_is_refused(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as left:
        main(["--cases", "fool"])
    assert left.value.code == 2
    assert "there are: full, full_256, lora, frozen" in capsys.readouterr().err


@pytest.mark.slow
def test_all_sides_train(tmp_path, warm):
    output = tmp_path / "speed.json"
    words = ["--cases", "lora", "--rows", "32", "--threads", "1", "--output", str(output)]
    try:
        main(words)
    except RuntimeError as error:  # Thirty-two rows decide nothing.
        assert "other scores" in str(error)
    found = json.loads(output.read_text())
    assert [each["side"] for each in found["runs"]] == [OURS, AS_IT_COMES, BEST, LIGHTNING]
    assert all(each["seconds"] > 0 and each["cpu_seconds"] > 0 for each in found["runs"])
    assert output.with_suffix(".md").read_text().count(f"| {CASES['lora'].about} |") == 4
    with pytest.raises(SystemExit, match="drop --resume"):
        main([*words, "--rows", "64", "--resume"])
