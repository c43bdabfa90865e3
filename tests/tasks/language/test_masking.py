"""How often words are masked and by what, with whole words, and the same draws whatever the batch."""

import pytest
import torch

from pipeline.tasks.language.masking import DRAWS, NO_WORD, fixed_draws, masked, padded_words
from pipeline.tasks.token_loss import IGNORED

MASK, SIZE = torch.tensor(4), torch.tensor(1_000)


def drawn(
    words: torch.Tensor, share: float = 0.15, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids = torch.full_like(words, 500)
    draws = torch.rand(*words.shape, DRAWS, generator=torch.Generator().manual_seed(seed))
    return ids, *masked(ids, words, draws, share, MASK, SIZE)


@pytest.mark.parametrize("length", [1, 3])
def test_shares_are_those_of_the_paper(length: int) -> None:
    words = (torch.arange(600) // length).expand(500, -1).clone()
    words[:, -30:] = NO_WORD
    ids, found, labels = drawn(words)
    chosen = labels != IGNORED
    assert not chosen[:, -30:].any() and torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(found[~chosen], ids[~chosen])
    count = int(chosen.sum())
    assert count / (500 * 570) == pytest.approx(0.15, abs=0.004)
    assert int((found[chosen] == MASK).sum()) / count == pytest.approx(0.8, abs=0.01)
    assert int((found[chosen] == ids[chosen]).sum()) / count == pytest.approx(0.1, abs=0.01)
    others = found[chosen & (found != MASK) & (found != ids)]
    assert others.min() < 20 and 980 < others.max() < 1_000


def test_whole_words_are_masked_together() -> None:
    words = torch.tensor([[NO_WORD, 0, 1, 1, 1, 2, 3, 3, NO_WORD]]).repeat(200, 1)
    chosen = drawn(words, share=0.3)[2] != IGNORED
    assert (chosen[:, 2] == chosen[:, 3]).all() and (chosen[:, 3] == chosen[:, 4]).all()
    assert (chosen[:, 6] == chosen[:, 7]).all() and (chosen[:, 1] != chosen[:, 2]).any()


def test_something_is_masked_wherever_there_is_a_word() -> None:
    words = torch.tensor([[NO_WORD, 0, NO_WORD], [NO_WORD, NO_WORD, NO_WORD]])
    chosen = drawn(words, share=1e-9)[2] != IGNORED
    assert chosen.tolist() == [[False, True, False], [False, False, False]]


@pytest.mark.parametrize("side", ["left", "right"])
def test_fixed_draws_do_not_depend_on_the_batch(side: str) -> None:
    numbers = [[NO_WORD, 0, 0, 1, 2, NO_WORD], [NO_WORD, *range(17), NO_WORD]]

    def labels(rows: list[int], width: int) -> list[list[int]]:
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for place, row in enumerate(rows):
            size = len(numbers[row])
            mask[place, -size:] = 1
            if side == "right":
                mask[place] = mask[place].flip(0)
        words = padded_words([numbers[row] for row in rows], mask)
        ids = torch.full_like(words, 7)
        draws = fixed_draws(mask.bool(), [row + 11 for row in rows])
        found, asked = masked(ids, words, draws, 0.4, MASK, SIZE)
        return [[*f[m].tolist(), *a[m].tolist()] for f, a, m in zip(found, asked, mask.bool(), strict=True)]

    assert labels([0, 1], 40) == labels([0], 6) + labels([1], 19)
    assert labels([0], 6) == labels([0], 9)
