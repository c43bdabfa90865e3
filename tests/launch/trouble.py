"""A callback that makes trouble once in a run: in one process, or in all of them, at one step."""

import os
import signal
import time
from pathlib import Path
from typing import Any, ClassVar

from pipeline.component import component
from pipeline.errors import Interrupted
from pipeline.training.specs import CallbackSpec, RunFacts


@component
class Trouble(CallbackSpec):
    affects_result: ClassVar[bool] = False

    kind: str
    # None: every process.
    rank: int | None = 1
    step: int = 3

    def build(self, facts: RunFacts) -> Any:
        from lightning.pytorch import Callback

        class Makes(Callback):
            def on_train_batch_start(_, trainer: Any, *rest: Any) -> None:  # noqa: N805
                if trainer.global_step != self.step or self.rank not in (None, trainer.global_rank):
                    return
                made = Path(facts.folder, f"made-{trainer.global_rank}")
                if made.exists():
                    return
                made.touch()
                print("trouble comes")
                getattr(self, self.kind)()

        return Makes()

    def error(self) -> None:
        raise ValueError("there is no such verdict")

    def hang(self) -> None:
        time.sleep(600)

    def ask(self) -> None:
        signal.raise_signal(signal.SIGTERM)

    def stop(self) -> None:
        raise Interrupted("as asked")

    def kill(self) -> None:
        os.kill(os.getpid(), 9)


def trouble(kind: str, **options: int | None) -> list[str]:
    """Words that have a run make it."""
    given = "".join(f",{name}:{'null' if value is None else value}" for name, value in options.items())
    return [f"+callbacks.trouble={{_target_:{__name__}.Trouble,kind:{kind}{given}}}"]
