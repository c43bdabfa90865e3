"""Whether a model has positions for what a strategy puts in front of every text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec


def check_room(spec: RunSpec, folder: str) -> None:
    """Raises BadInput where the longest text that the task lets through, and the strategy's virtual tokens, are more
    than the model in ``folder`` can take.

    It is not the longest text of the training data that counts: others may come later.
    """
    extra = spec.strategy.virtual_tokens
    if not extra:
        return
    limit = spec.model.tokenizer(folder).model_max_length
    if (spec.task.max_length or limit) + extra <= limit or limit > 10**9:
        return
    length = spec.task.max_length or f"{limit} (what the model can take, which null may come to)"
    what = (
        f"texts of {length} tokens and {extra} learned ones are more than the {limit} that the model can take"
    )
    raise BadInput(
        Problem("task.max_length", what, f"at most {limit - extra}: task.max_length={limit - extra}")
    )
