"""Checked configurations and what was prepared for them, for tests that need no run."""

from collections.abc import Sequence
from typing import Any

from pipeline.compose.composing import compose
from pipeline.compose.run_spec import RunSpec, load
from pipeline.data.prepare import Prepared


def spec_of(overrides: Sequence[str]) -> RunSpec:
    return load(compose(list(overrides)))


def prepared(**changes: Any) -> Prepared:
    """A preparation of 100 training rows that never happened."""
    facts: dict[str, Any] = {
        "folder": "",
        "data_fingerprint": "d" * 64,
        "checkpoint": {"folder": "", "fingerprint": "c" * 64, "commit": None},
        "head": {"labels": ["bad", "good"]},
        "rows": {"train": 100, "validation": 10, "test": 10},
        "tokens": {"train": 1_000, "validation": 100, "test": 100},
        "truncated": {"train": 0, "validation": 0, "test": 0},
        "longest": 20,
        "directions": {"loss": False, "accuracy": True, "f1": True},
        "trainable": 10,
        "total": 100,
    }
    facts |= changes
    return Prepared(**{**facts, "examples": changes.get("examples", facts["rows"])})
