"""The page of a run: of a real one, of one that has failed, of one whose texts are hostile."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.reporting.report.at_end import at_end
from pipeline.reporting.report.run_page import run_page, write_run_page
from pipeline.runs.directory import RunDirectory
from tests.reporting.report.browser import fetched, look_at, needs_browser

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> RunDirectory:
    """A finished run that may be changed."""
    ignored = shutil.ignore_patterns("model", "checkpoints")
    return RunDirectory(shutil.copytree(finished, tmp_path / "run", ignore=ignored))


def test_a_run_leaves_its_page_and_it_has_its_numbers(finished: Path):
    page = (finished / "report.html").read_text()
    metrics = json.loads((finished / "metrics.json").read_text())
    for name in ("test/accuracy", "val/accuracy", "test/f1"):
        assert f"{metrics[name]:.4f}" in page
    assert '<span class="state finished">' in page
    assert "optimizer.lr=5e-3" in page and "train/loss" in page
    assert all(
        f">{count}</td>" in page
        for _, *row in metrics["tables"]["test/confusion_matrix"][1:]
        for count in row
    )
    assert len(page) < 150_000


def test_nothing_is_fetched(finished: Path):
    assert fetched((finished / "report.html").read_text()) == []
    assert (
        fetched('<img src="https://a.b/c.png">')
        and fetched("<link href=style.css>")
        and fetched("url(a.png)")
    )


def test_secrets_are_hidden(copied: RunDirectory):
    (copied.folder / "overrides.yaml").write_text("- logger.wandb.api_key=verysecret1\n- seed=1\n")
    copied.config.write_text("hub_token: verysecret2\nseed: 1\nurl: https://me:verysecret3@host/x\n")
    copied.update(error="could not log in with api_key=verysecret4")
    page = run_page(copied)
    assert "verysecret" not in page and "seed=1" in page and "hub_token: &#39;***&#39;" in page


def test_of_very_many_classes_there_is_no_matrix(copied: RunDirectory):
    metrics, names = copied.metrics(), [str(number) for number in range(300)]
    metrics["tables"]["test/confusion_matrix"] = [["true", *names], *([name, *range(300)] for name in names)]
    (copied.folder / "metrics.json").write_text(json.dumps(metrics))
    page = run_page(copied)
    assert "Too large for a page" in page and len(page) < 150_000


def test_a_run_that_failed_says_how_and_what_to_do(copied: RunDirectory):
    for name in ("metrics.json", "predictions/test.jsonl", "report.html"):
        (copied.folder / name).unlink()
    copied.update(state="failed", error="RuntimeError: out of luck")
    page = write_run_page(copied, copied.folder / "other.html").read_text()
    assert "RuntimeError: out of luck" in page and f"train resume={copied.folder}" in page
    assert "<svg" in page and 'id="scores"' not in page and not (copied.folder / "report.html").exists()


def test_a_run_that_is_trained_now_is_told_of(copied: RunDirectory):
    copied.update(state="running")
    with copied.working():
        assert "being trained now" in run_page(copied)


def test_a_run_that_a_search_has_ended(copied: RunDirectory):
    copied.update(state="pruned", pruned={"step": 8, "why": "others do better"})
    page = run_page(copied)
    assert "ended it after step 8: others do better." in page and "train resume=" not in page


def test_of_a_run_that_never_started_there_is_nothing_to_tell(copied: RunDirectory):
    copied.update(state="created", starts=0)
    with pytest.raises(BadInput, match="has not started yet"):
        run_page(copied)


def test_a_run_without_logs_predictions_or_audit(copied: RunDirectory):
    shutil.rmtree(copied.logs)
    shutil.rmtree(copied.predictions)
    (copied.folder / "audit.json").unlink()
    page = run_page(copied)
    assert "logger=csv" in page and "was not audited" in page and 'id="examples"' not in page


def test_a_page_that_cannot_be_written_ends_no_run(capsys: pytest.CaptureFixture[str]):
    def fails() -> None:
        raise KeyError("head")

    at_end(fails)
    assert "warning: no report.html: KeyError: 'head'" in capsys.readouterr().err


@needs_browser
@pytest.mark.slow
def test_a_browser_shows_hostile_names_as_text_and_has_nothing_to_say(copied: RunDirectory):
    metrics = copied.metrics()
    table = metrics["tables"]["test/confusion_matrix"]
    table[0][1] = table[1][0] = HOSTILE
    metrics[f"test/f1/{HOSTILE}"] = 0.5
    (copied.folder / "metrics.json").write_text(json.dumps(metrics))
    row = {
        "text": HOSTILE,
        "label": HOSTILE,
        "prediction": {"label": "x", "score": 0.5, "scores": {"x": 0.5}},
    }
    (copied.predictions / "test.jsonl").write_text(json.dumps(row) + "\n")
    with (copied.logs / "csv/metrics.csv").open("a") as file:
        file.write(f"1,train/{HOSTILE[:7]},1\n2,train/{HOSTILE[:7]},2\n")
    copied.update(name=HOSTILE, weights=[HOSTILE], error=HOSTILE)
    seen = look_at(write_run_page(copied))
    assert seen.console == []
    assert seen.dom.count("<script") == 1 and seen.dom.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6
    assert seen.dom.count("<svg") >= 3 and seen.dom.count("<polyline") >= 4
    assert "<dt>test/accuracy</dt>" in seen.dom


@needs_browser
@pytest.mark.slow
def test_the_browser_would_tell_of_a_script_that_fails_and_of_what_is_fetched(tmp_path: Path):
    page = tmp_path / "bad.html"
    policy = (
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; script-src 'unsafe-inline'\">"
    )
    page.write_text(f"{policy}<img src='http://localhost:9/a.png'><script>missing()</script>")
    said = "\n".join(look_at(page).console)
    assert "missing is not defined" in said and "localhost:9" in said
