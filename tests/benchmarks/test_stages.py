"""Numbers of many chains to a table, and that all variants have the same model."""

import pytest

from benchmarks.stages import COLUMNS, VARIANTS, WHOLE, from_scratch, summarize, table
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load


def run(variant: str, seed: int, accuracy: float) -> dict:
    return {"variant": variant, "seed": seed, "accuracy": accuracy}


def test_gains_are_of_the_same_seeds():
    runs = [
        run("finetune", 0, 0.60),
        run("finetune", 1, 0.62),
        run("finetune", 2, 0.9),
        run(WHOLE, 0, 0.65),
        run(WHOLE, 1, 0.65),
    ]
    scratch, whole = summarize(runs)
    assert whole["accuracy"]["mean"] == pytest.approx(65) and "gain" not in whole
    assert scratch["gain"]["mean"] == pytest.approx(4) and scratch["seeds"] == [0, 1, 2]
    # Student's t with one degree of freedom: 12.706 · (standard deviation 1.414) / √2.
    assert scratch["gain"]["interval95"] == pytest.approx(12.706, abs=1e-3)
    rows = table([scratch, whole])
    assert rows[1][2] == "" and rows[0][2].startswith("+4.00 ± 12.71") and rows[0][3] == "3"
    assert all(len(row) == len(COLUMNS) for row in rows)


def test_without_the_first_stage_the_model_is_made_the_same_way():
    pretrained, alone = (
        load(compose(["stage=pretrain"])).model,
        load(compose(["stage=finetune", *from_scratch()])).model,
    )
    assert alone == pretrained and alone.from_scratch and alone.vocab_size
    assert len({variant[-1] for variant in VARIANTS}) == 1 and VARIANTS[-1] == tuple(WHOLE.split(" → "))
