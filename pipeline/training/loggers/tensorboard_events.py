"""The Lightning side of the TensorBoard logger."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from pipeline.runs.redaction import redact


class EventsLogger(TensorBoardLogger):
    """Lightning's logger, whose curves have each step once however often the run was resumed."""

    def __init__(self, folder: Path, *, resumed: bool) -> None:
        super().__init__(folder, name="tensorboard", version="", default_hp_metric=False)
        self.resumed = resumed

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        self.forget_from(step)
        super().log_metrics(metrics, step)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The configuration as text, once a run."""
        if not self.resumed:
            plain = json.loads(json.dumps(redact(params), default=str))
            config = yaml.safe_dump(plain, sort_keys=False)
            self.experiment.add_text("config", f"```yaml\n{config}\n```", 0)

    @rank_zero_only
    def log_table(self, name: str, rows: Sequence[Sequence[Any]], step: int) -> None:
        self.forget_from(step)
        header, *body = [f"| {' | '.join(map(str, row))} |" for row in rows]
        rule = "|" + " --- |" * len(rows[0])
        self.experiment.add_text(name, "\n".join([header, rule, *body]), step)

    def forget_from(self, step: int | None) -> None:
        """Before a resumed run's first event: TensorBoard drops what earlier starts logged from here on."""
        if self.resumed and self._experiment is None:
            self._kwargs["purge_step"] = step
