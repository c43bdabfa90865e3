"""How long a run trains, in what batches, and when it is evaluated."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import Problem

Count = Annotated[int, Field(ge=1)]

# A run whose length is not given ends with the epoch that reaches the first number of optimizer steps, or after so many
# epochs if they reach what its strategy takes at least; small data are passed over until they do, within a bound.
AUTO_STEPS, AUTO_EPOCHS, AUTO_MOST_EPOCHS = 1_000, 3, 100
# Many classes take more: a new head learns nothing of a class that it does not see.
AUTO_STEPS_PER_CLASS = 5


@component
class TrainerSpec:
    """The budget is whichever of epochs, steps, tokens and minutes is reached first."""

    # Passes over the training data. null: 1 where that makes 1,000 optimizer steps, else up to 3, or as many as make
    # 200 (300 for LoRA) and five a class, at most 100.
    max_epochs: Count | None = None
    max_steps: Count | None = None
    # Tokens seen in training, padding not counted; rounded up to a whole optimizer step.
    max_tokens: Count | None = None
    # Wall-clock limit. What a run reaches in it depends on the machine, so its numbers are not reproducible.
    max_minutes: Annotated[float, Field(gt=0)] | None = None

    # Examples of one optimizer step, over all processes and accumulation steps.
    batch_size: Count = 32
    # Tokens of one optimizer step, padding not counted, in place of a number of examples: many short texts or few long
    # ones.
    batch_tokens: Count | None = None
    # Batches of similar length, shuffled: less padding for the same examples.
    group_by_length: bool = True
    # Largest norm of the gradient; null: not clipped.
    gradient_clip: Annotated[float, Field(gt=0)] | None = 1.0

    # On a CPU: dropout masks of random bytes in place of torch's serial draws; the same rates, other masks.
    quick_dropout: bool = True

    # "epoch", or a number of optimizer steps.
    evaluate_every: Literal["epoch"] | Count = "epoch"
    # Score the validation data once before the first step.
    evaluate_first: bool = False
    # Batch size without gradients (evaluation and prediction). Where the frozen part is one stored vector a text, at
    # least 1,024.
    evaluation_batch_size: Count = 64
    # The validation metric that chooses the best checkpoint, e.g. val/f1. null: the task's own.
    monitor: str | None = None
    # Optimizer steps between two rows of the training log.
    log_every: Count = 10

    # Same call, same machine, same numbers. false lets faster kernels differ in the last bits.
    deterministic: bool = True
    # Lightning's profilers.
    profiler: Literal["simple", "advanced"] | None = None

    def conflicts(self, spec: Any) -> Iterator[Problem]:
        """Two ways to say how much a step or a process holds."""
        if not spec.train:
            return
        micro_batch, micro_tokens = spec.hardware.micro_batch, spec.hardware.micro_tokens
        if self.batch_tokens is None and micro_tokens != "auto":
            what = "cuts steps that are counted in tokens, and trainer.batch_tokens is null"
            yield Problem(
                "hardware.micro_tokens", what, "auto with hardware.micro_batch, or trainer.batch_tokens"
            )
        if self.batch_tokens is None:
            return
        if micro_batch != "auto":
            what = "cuts steps that are counted in examples, and trainer.batch_tokens is set"
            yield Problem("hardware.micro_batch", what, "auto, with hardware.micro_tokens")
        if getattr(spec.data, "streaming", False):
            what = "needs the lengths of all texts beforehand, which data.streaming=true does not find out"
            yield Problem("trainer.batch_tokens", what, "null, or data.streaming=false")

    def epochs(self, steps_per_epoch: int, least_steps: int, classes: int = 0) -> int:
        """Passes over the data: what is set, or what the rule for `max_epochs: null` gives.

        least_steps: of the strategy. classes: that the task tells apart; 0 where it has none.
        """
        if self.max_epochs is not None:
            return self.max_epochs
        if self.max_steps is not None:
            return math.ceil(self.max_steps / steps_per_epoch)
        if self.max_tokens is not None or self.max_minutes is not None:
            return 1_000
        wanted = min(AUTO_EPOCHS, math.ceil(AUTO_STEPS / steps_per_epoch))
        least = max(least_steps, AUTO_STEPS_PER_CLASS * classes)
        return max(wanted, min(AUTO_MOST_EPOCHS, math.ceil(least / steps_per_epoch)))
