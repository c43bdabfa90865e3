"""Synthetic documents side by side in full blocks: what both sides are trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.gpu.cases import Case
from pipeline.tasks.language.packing import Block, pieces
from pipeline.tasks.token_loss import IGNORED

_TYPICAL, _SPREAD = 512, 1.0  # tokens of a document: log-normal


def blocks(case: Case, count: int) -> list[Block]:
    """``count`` blocks of exactly ``case.length`` tokens, some of them much likelier than others, so that there is
    something to learn at once.

    Nothing is asked of a block's last token: transformers' models take their targets from the same block.
    """
    generator = np.random.default_rng(0)
    likely = 1 / (10 + np.arange(case.shape.vocabulary))
    likely /= likely.sum()
    made = []
    for row in range(count):
        block = Block(row)
        while room := case.length - len(block.input_ids):
            size = min(room, max(8, int(generator.lognormal(np.log(_TYPICAL), _SPREAD))))
            tokens = generator.choice(case.shape.vocabulary, size + 1, p=likely).tolist()
            block.add(*pieces(tokens, case.length, row, 4 * size))
        block.targets[-1] = IGNORED
        made.append(block)
    return made


def visible(made: list[Block]) -> float:
    """Tokens that a token attends to, itself among them; the mean."""
    return float(np.mean([[position + 1 for position in block.positions] for block in made]))


def encoded(made: list[Block]) -> dict[str, list[Any]]:
    """As `CausalLM.encode` gives them."""
    return {
        "input_ids": [block.input_ids for block in made],
        "targets": [block.targets for block in made],
        "position_ids": [block.positions for block in made],
        "bytes": [block.bytes for block in made],
        "length": [len(block.input_ids) for block in made],
    }


def labelled(made: list[Block]) -> list[dict[str, list[int]]]:
    """The same as transformers' models read it: they shift the labels themselves."""
    return [
        {
            "input_ids": block.input_ids,
            "position_ids": block.positions,
            "labels": [IGNORED, *block.targets[:-1]],
        }
        for block in made
    ]
