"""The script of :mod:`benchmarks.hf_trainer`, saying when its first optimizer step is done.

    python -m benchmarks.hf_first_step JOB.json RESULT.json

Nothing here imports this repository's package.
"""

import sys
from typing import Any

import transformers

from benchmarks import hf_trainer


class SayWhen(transformers.TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 1:
            print("first step done", flush=True)


class Trainer(transformers.Trainer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, callbacks=[SayWhen()], **kwargs)


if __name__ == "__main__":
    transformers.Trainer = Trainer  # type: ignore[misc]
    hf_trainer.main(*sys.argv[1:])
