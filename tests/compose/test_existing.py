"""What a configuration has is what its components declare."""

import pytest

from pipeline.compose.composing import compose
from pipeline.compose.existing import has


@pytest.mark.parametrize(
    ("key", "there"),
    [
        ("strategy.r", True),
        ("strategy.rank_pattern", True),
        ("strategy.layers", False),
        ("strategy", True),
        ("seed", True),
        ("seeed", False),
        ("callbacks.checkpoint.every_steps", True),
        ("callbacks.ema.decay", False),
        ("optimizer.lr", True),
        ("nothing.at.all", False),
        ("+trainer.max_steps", True),
    ],
)
def test_what_is_declared_is_there(here, key, there):
    assert has(compose(["strategy=lora"]), key) is there


def test_a_leaf_of_another_library_may_have_any_key(here, write):
    write("conf/optimizer/rms.yaml", "# RMSprop.\n_target_: torch.optim.RMSprop\nlr: 1e-3\n")
    assert has(compose(["optimizer=rms"]), "optimizer.alpha")
