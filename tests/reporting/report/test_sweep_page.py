"""The page of a sweep."""

from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.reporting.leaderboard import read
from pipeline.reporting.report.sweep_page import sweep_page, write_sweep_page
from tests.reporting.report.browser import fetched, look_at, needs_browser
from tests.sweep_folders import grid, make_run, make_sweep, trial

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A grid of two parameters, of which the first decides, one trial that failed and one that was pruned."""
    scores = {
        f"optimizer.lr={rate} strategy={kind}": value + (0.01 if kind == "lora" else 0)
        for rate, value in (("1e-05", 0.3), ("0.0001", 0.5), ("0.001", 0.8), ("0.01", 0.6))
        for kind in ("lora", HOSTILE)
    }
    folder = grid(tmp_path / "sweep", scores)
    trials = [
        trial(number, words.split(), [f"run{number}"], value=value)
        for number, (words, value) in enumerate(scores.items())
    ]
    make_run(folder, "bad", None, error=f"RuntimeError: {HOSTILE} api_key=verysecret")
    make_run(folder, "cut", None, state="pruned", pruned={"step": 8, "why": "others do better"})
    trials.append(trial(8, ["optimizer.lr=1", "strategy=lora"], ["bad"], state="failed"))
    trials.append(trial(9, ["optimizer.lr=2", "strategy=lora"], ["cut"], state="pruned", value=0.1))
    return make_sweep(folder, trials, common=["task=text_classification", "logger.wandb.api_key=verysecret"])


def test_it_says_who_has_won_and_what_mattered(folder: Path):
    page = sweep_page(read(folder))
    assert "best val/f1</dt><dd>0.8100" in page
    assert f"sweep.best={folder}" in page and "optimizer.lr=0.001 strategy=lora" in page
    assert page.index(">optimizer.lr</span>") < page.index(">strategy</span>")  # The more important one.
    assert 'data-trial="8"' in page and "RuntimeError" in page and "others do better" in page
    assert "verysecret" not in page and HOSTILE not in page and fetched(page) == []
    assert len(page) < 300_000


def test_beside_its_runs_it_leads_to_their_pages(folder: Path, tmp_path: Path):
    (folder / "run3/report.html").touch()
    assert write_sweep_page(folder).read_text().count('<a href="run3/report.html">run3</a>') == 1
    assert "/report.html" not in write_sweep_page(folder, tmp_path / "other.html").read_text()


def test_few_trials_have_a_page_without_importance(tmp_path: Path):
    page = write_sweep_page(grid(tmp_path / "s", {"seed=0": 0.5})).read_text()
    assert "needs two of them" in page and "best trial" in page and "<polyline" in page


def test_over_seeds_configurations_are_compared(tmp_path: Path):
    folder, trials = tmp_path / "s", []
    for number, values in enumerate([(0.8, 0.82, 0.81), (0.6, 0.61, 0.63)]):
        for seed, value in enumerate(values):
            make_run(folder, f"run{number}{seed}", {"val/f1": value}, seed)
        trials.append(
            trial(number, [f"x={number}"], [f"run{number}{seed}" for seed in range(3)], value=values[0])
        )
    page = sweep_page(read(make_sweep(folder, trials, seeds=3)))
    assert "seed by seed" in page and ">worse<" in page and "0.8100 ± 0.0248" in page
    assert page.count("<polyline") >= 6


def test_before_any_trial_has_ended_there_is_nothing_to_tell(tmp_path: Path):
    folder = make_sweep(
        tmp_path / "s", [trial(0, [], [], state="running"), trial(1, [], [], state="pending")]
    )
    with pytest.raises(BadInput, match="has ended yet"):
        write_sweep_page(folder)
    assert not (folder / "report.html").exists()


def test_a_sweep_in_which_all_failed_has_a_page(tmp_path: Path):
    make_run(tmp_path / "s", "bad", None, error="no luck")
    page = sweep_page(read(make_sweep(tmp_path / "s", [trial(0, ["x=1"], ["bad"], state="failed")])))
    assert "Nothing has finished" in page and "no luck" in page


@needs_browser
@pytest.mark.slow
def test_a_browser_draws_it_and_has_nothing_to_say(folder: Path):
    page = write_sweep_page(folder)
    # As a click on a column and a pointer on a trial would.
    clicked = page.read_text().replace(
        "</body>",
        "<script>document.querySelectorAll('#leaderboard thead th')[2].click();"
        "const dot = document.querySelector('circle[data-trial=\"3\"]');"
        "dot.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));"
        "</script></body>",
    )
    page.write_text(clicked)
    seen = look_at(page)
    assert seen.console == []
    assert seen.dom.count("<svg") == 6 and HOSTILE not in seen.dom.replace(clicked, "")
    body = seen.dom.split("<tbody>")[1]
    values = [0.3, 0.31, 0.5, 0.51, 0.6, 0.61, 0.8, 0.81]
    places = [body.index(f">{value:.4f}<") for value in values]
    assert places == sorted(places)  # From the lowest up, which was the other way round before.
    assert 'data-trial="3" class="on"' in body or 'class="on" data-trial="3"' in seen.dom
