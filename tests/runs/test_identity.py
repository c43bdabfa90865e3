"""The canonical form that runs and caches are named by."""

import hashlib
from pathlib import Path

from pipeline.runs.identity import canonical, digest
from pipeline.sources.base import Split
from pipeline.training.trainer_spec import TrainerSpec


def test_components_are_named_by_their_class():
    form = canonical(Split(test=0.2))
    assert form.pop("_target_") == "pipeline.sources.base.Split"
    assert form["test"] == 0.2 and form["folds"] is None
    assert digest(TrainerSpec(max_epochs=1)) != digest(TrainerSpec(max_epochs=2))


def test_equal_settings_give_equal_text():
    assert digest({"a": 1, "b": (1, 2)}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": Path("x")}) == digest({"a": "x"})
    assert digest([1, 2]) != digest([2, 1])
    assert digest({"a": None}) != digest({})
    assert digest(True) != digest(1) and digest(1) != digest("1")


def test_it_is_the_sha256_of_json():
    assert digest({"b": "ä", "a": 1}) == hashlib.sha256('{"a": 1, "b": "ä"}'.encode()).hexdigest()
    assert digest({}, 10) == digest({})[:10]
