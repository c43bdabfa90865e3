"""The model card of a finished run."""

import re
from pathlib import Path

import yaml

from pipeline import Run


def test_it_says_what_the_model_is(finished: Path):
    run, card = Run(finished), (finished / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert header["library_name"] == "transformers" and "text_classification" in header["tags"]
    assert f"| test/accuracy | {run.metrics['test/accuracy']:.4f} |" in card
    assert run.manifest["id"] in card and run.manifest["prepared"]["data_fingerprint"][:16] in card
    assert "192 rows" in card and "Source: train: reviews.csv." in card
    assert str(finished) not in card


def test_its_example_runs(finished: Path, monkeypatch, capsys):
    code = (finished / "README.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(finished)
    exec(code, {})
    assert re.search("'label': '(good|bad)'", capsys.readouterr().out)
