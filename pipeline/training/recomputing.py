"""Activations are computed again in the backward pass instead of kept: less memory for more time."""

from __future__ import annotations

from typing import Any

from pipeline.errors import BadInput, Problem


def recompute_activations(model: Any) -> None:
    """Keep the inputs of each layer alone (Chen et al. 2016, arXiv:1604.06174), as transformers does it.

    Raises BadInput for a model that cannot.
    """
    try:
        # The other way needs inputs that require a gradient, which those of frozen embeddings do not.
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    except (ValueError, AttributeError) as error:
        what = f"{type(model).__name__} cannot compute activations again"
        raise BadInput(Problem("hardware.recompute", what, "false")) from error
    model.config.use_cache = False
