"""Overlapping windows over texts that are longer than a model can take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def check_offsets(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises BadInput for a tokenizer that does not know which characters its tokens are of."""
    if not tokenizer.is_fast:
        what = f"{type(tokenizer).__name__} does not tell where in a text its tokens are"
        raise BadInput(
            Problem("model.checkpoint", what, "a checkpoint with a fast tokenizer (tokenizer.json)")
        )


def overlap(asked: int | None, room: int, default: int) -> int:
    """Tokens that two neighbouring windows share, of ``room`` tokens each.

    default: what is taken for None, at most half the room. Raises BadInput where windows would not move on.
    """
    if asked is None:
        return min(default, room // 2)
    if asked >= room:
        what = f"{asked} leaves windows with room for {room} tokens of text no way forward"
        raise BadInput(Problem("task.stride", what, f"0 to {room - 1}, or a larger task.max_length"))
    return asked


@contextmanager
def cut_behind(tokenizer: PreTrainedTokenizerBase) -> Iterator[None]:
    """Windows from a text's start to its end, whichever side the tokenizer prefers to cut."""
    side, tokenizer.truncation_side = tokenizer.truncation_side, "right"
    try:
        yield
    finally:
        tokenizer.truncation_side = side


def owner(place: int, step: int, lengths: Sequence[int]) -> int:
    """The window in which a token has the most around it, on the side where it has less (the "maximum context" of
    Devlin et al. 2019).

    place: the token's number in the whole text. step: from a window's start to that of the next. lengths: of the
    windows, in tokens.
    """
    best = min(place // step, len(lengths) - 1)
    most = -1
    for number in range(best, -1, -1):
        start, length = number * step, lengths[number]
        if start + length <= place:
            break
        around = min(place - start, start + length - 1 - place)
        if around >= most:
            best, most = number, around
    return best
