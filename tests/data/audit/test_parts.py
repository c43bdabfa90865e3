"""Many rows are looked at part by part; what is found is the same."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.audit import audit as audits
from pipeline.data.audit import parts
from pipeline.tasks.regression import Regression
from tests.data.audit.parts import reviews, subject_of


def test_equal_hashes_are_in_one_part(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parts, "PART", 50)
    draw = np.random.default_rng(0)
    hashes = {
        split: draw.integers(0, 97, rows, dtype=np.uint64) for split, rows in (("train", 300), ("test", 80))
    }
    found = list(parts.parts(hashes))
    assert len(found) == 8
    for split, column in hashes.items():
        rows = np.concatenate([part[split] for part in found])
        assert sorted(rows) == list(range(len(column)))
        assert all((np.diff(part[split]) > 0).all() for part in found)
    for number, part in enumerate(found):
        here = {value for split, rows in part.items() for value in hashes[split][rows]}
        others = {v for other in found[:number] for split, rows in other.items() for v in hashes[split][rows]}
        assert not here & others


def test_a_column_on_disk_starts_with_zeros_and_may_be_empty():
    assert parts.on_disk(3, np.uint64).tolist() == [0, 0, 0] and len(parts.on_disk(0, bool)) == 0


@pytest.mark.parametrize("targets", ["classes", "numbers"])
def test_the_findings_do_not_depend_on_the_parts(
    targets: str, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
):
    splits = reviews()
    splits["test"][:6] = splits["train"][:6]
    splits["train"][50:60] = [dict(row) for row in splits["train"][20:30]]
    splits["train"][70]["text"] = splits["validation"][2]["text"]
    for split in splits:
        for number, row in enumerate(splits[split]):
            if targets == "numbers":
                row["label"] = float(number % 5)
    if targets == "classes":
        names = sorted({row["label"] for row in splits["train"]})
        for row in splits["train"][55:60]:
            row["label"] = names[row["label"] == names[0]]
    task = [Regression()] if targets == "numbers" else []

    def found() -> list[dict]:
        subject = subject_of(splits, tiny_bert, *task)
        return audits.audit(subject, lambda rows, raw, column: str(dict(rows)))["findings"]

    whole = found()
    assert {"leakage", "repeated rows", "contradictions"} <= {finding["check"] for finding in whole}
    for module in ("parts", "contradictions"):
        monkeypatch.setattr(f"pipeline.data.audit.{module}.PART", 7)
    assert found() == whole
