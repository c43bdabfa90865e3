"""Numbers of many runs to a table, and that every variant learns from the same texts."""

import pytest

from benchmarks.few_shot import COLUMNS, SETS, TWO_STAGES, VARIANTS, table
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load


def test_gains_are_of_the_same_seeds():
    plain = next(iter(VARIANTS))
    runs = [{"data": "trec6", "variant": plain, "seed": seed, "accuracy": 0.5} for seed in (0, 1, 2)]
    runs += [{"data": "trec6", "variant": TWO_STAGES, "seed": seed, "accuracy": 0.6} for seed in (0, 1)]
    first, last = table(runs)
    assert first == ("trec6", plain, "50.0 ± 0.0", "+10.0 ± 0.0", "3")
    assert last == ("trec6", TWO_STAGES, "60.0 ± 0.0", "", "2")
    assert len(first) == len(COLUMNS) and set(SETS) == {"sst2", "trec6"}


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != TWO_STAGES])
def test_every_variant_learns_from_the_same_texts(variant: str):
    files = ["data=files", "data.train=train.jsonl", "data.test=test.jsonl"]
    plain = load(compose([*VARIANTS[variant], *files]))
    for stage in ("contrast", "head"):
        staged = load(compose([f"stage={stage}", *files]))
        assert (staged.data, staged.choices["model"]) == (plain.data, plain.choices["model"])
        assert staged.task.max_length == plain.task.max_length
