"""Numbers of many chains to a table, and that all variants have the same model."""

import pytest

from benchmarks.stages import COLUMNS, VARIANTS, from_scratch, summarize, table
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load


def run(variant: str, seed: int, accuracy: float) -> dict:
    return {"variant": variant, "seed": seed, "accuracy": accuracy}


def test_gains_are_of_the_same_seeds():
    runs = [
        run("c", 0, 0.60),
        run("c", 1, 0.62),
        run("a → c", 0, 0.65),
        run("a → c", 1, 0.65),
        run("a → c", 2, 0.9),
    ]
    scratch, pretrained = summarize(runs)
    assert scratch["accuracy"]["mean"] == pytest.approx(61) and "gain" not in scratch
    assert pretrained["gain"]["mean"] == pytest.approx(4)
    # Student's t with one degree of freedom: 12.706 · (standard deviation 1.414) / √2.
    assert pretrained["gain"]["interval95"] == pytest.approx(12.706, abs=1e-3)
    rows = table([scratch, pretrained])
    assert rows[0][2] == "" and rows[1][2].startswith("+4.00 ± 12.71") and rows[1][3] == "3"
    assert all(len(row) == len(COLUMNS) for row in rows)


def test_without_the_first_stage_the_model_is_made_the_same_way():
    pretrained, alone = (
        load(compose(["stage=pretrain"])).model,
        load(compose(["stage=finetune", *from_scratch()])).model,
    )
    assert alone == pretrained and alone.from_scratch and alone.vocab_size
    assert VARIANTS[0] == VARIANTS[1][-1:] == VARIANTS[2][-1:]
