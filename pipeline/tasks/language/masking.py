"""Which tokens are masked, and by what: 80 % by the mask, 10 % by any token, 10 % by themselves.

Devlin et al. 2019, arXiv:1810.04805, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.tasks.token_loss import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

# The number of a word that is none: special tokens and padding, which are never masked.
NO_WORD = -1
_BY_MASK, _BY_ANY = 0.8, 0.9
# Random numbers for each place of a row: for the word that it stands for, how its token is replaced, by which one.
DRAWS = 3


def masked(
    input_ids: Tensor, words: Tensor, draws: Tensor, share: float, mask: Tensor, vocabulary: Tensor
) -> tuple[Tensor, Tensor]:
    """``input_ids`` with masks, and labels: the tokens that were there, IGNORED where nothing is asked. (rows, tokens).

    words: a place in the row that stands for the word which a token is of; NO_WORD for none. All tokens of a word are
    chosen together, with probability ``share``; in a row where none would be, one word is.
    draws: (rows, tokens, DRAWS) uniform in [0, 1). mask, vocabulary: scalars, the mask's number and how many tokens
    there are.
    """
    import torch

    able = words != NO_WORD
    scores = draws[..., 0].gather(1, words.clamp(min=0)).masked_fill(~able, 2.0)
    chosen = able & ((scores < share) | (scores == scores.amin(1, keepdim=True)))
    how, which = draws[..., 1], (draws[..., 2] * vocabulary).long().clamp(max=vocabulary - 1)
    other = torch.where(how < _BY_MASK, mask, torch.where(how < _BY_ANY, which, input_ids))
    return torch.where(chosen, other, input_ids), torch.where(chosen, input_ids, IGNORED)


def padded_words(rows: Sequence[Sequence[int]], attention_mask: Tensor) -> Tensor:
    """``words`` of :func:`masked` for a padded batch. rows: for each token the number of its word, below their number,
    or NO_WORD; attention_mask: 0 for padding, on either side."""
    import torch

    words = torch.full_like(attention_mask, NO_WORD)
    for row, numbers in enumerate(rows):
        places = attention_mask[row].nonzero().squeeze(-1)
        moved = torch.tensor(numbers, dtype=words.dtype)
        words[row, places] = torch.where(moved == NO_WORD, NO_WORD, moved + places[0])
    return words


def fixed_draws(real: Tensor, seeds: Sequence[int]) -> Tensor:
    """The same draws for the same row in whatever batch: each from its own seed. (rows, tokens, DRAWS), on the CPU.

    real: (rows, tokens), False for padding, which must not move what is drawn for tokens.
    """
    import torch

    draws = torch.zeros(*real.shape, DRAWS)
    for row, seed in enumerate(seeds):
        generator = torch.Generator().manual_seed(seed)
        draws[row, real[row]] = torch.rand(int(real[row].sum()), DRAWS, generator=generator)
    return draws
