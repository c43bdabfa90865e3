"""The Lightning side of the MLflow logger."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only

from pipeline.runs.redaction import redact

# https://mlflow.org/docs/latest/api_reference/rest-api.html: what a server takes at most.
LONGEST_NAME, LONGEST_VALUE, MOST_PARAMS = 250, 6000, 100


class MLflowLogger(MLFlowLogger):
    """Lightning's logger, which a resumed run continues without logging a step twice."""

    def __init__(
        self, folder: Path, *, experiment: str, run_name: str, tags: dict[str, str], server: str | None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)  # SQLite makes no folders.
        self.remembered = folder / "run_id"
        self.logged = Logged(folder / "logged_step")
        super().__init__(
            experiment_name=experiment,
            run_name=run_name,
            tags=tags,
            tracking_uri=server or f"sqlite:///{folder.resolve()}/mlflow.db",
            artifact_location=None if server else (folder / "artifacts").resolve().as_uri(),
            run_id=self.remembered.read_text() if self.remembered.is_file() else None,
        )

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        new = self.logged.new(metrics, step or 0)
        if new:
            super().log_metrics(new, step)
            self.logged.remember(list(new), step or 0)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        from mlflow.entities import Param

        if self.remembered.is_file():
            return  # Parameters of a run are written once.
        entries = [Param(name, str(value)[:LONGEST_VALUE]) for name, value in flat(redact(params)).items()]
        for start in range(0, len(entries), MOST_PARAMS):
            self.experiment.log_batch(self.run_id, params=entries[start : start + MOST_PARAMS])
        self.remembered.write_text(str(self.run_id))

    @rank_zero_only
    def log_table(self, name: str, rows: Sequence[Sequence[Any]], step: int) -> None:
        header, *body = rows
        columns = {str(column): [row[place] for row in body] for place, column in enumerate(header)}
        self.experiment.log_dict(self.run_id, columns, f"{name}-{step}.json")


class Logged:
    """Remembers in a file up to which step each metric was logged; for records that cannot be cut back.

    A run that continues from a checkpoint makes some steps once more, with the same numbers: left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}
        self.before = dict(self.steps)  # By earlier starts of the run.

    def new(self, metrics: Mapping[str, Any], step: int) -> dict[str, Any]:
        """Those of ``metrics`` that no earlier start of the run has logged for this step."""
        return {name: value for name, value in metrics.items() if step > self.before.get(name, -1)}

    def remember(self, names: Sequence[str], step: int) -> None:
        """Note that ``names`` are logged for ``step``."""
        self.steps.update(dict.fromkeys(names, step))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = self.path.with_suffix(".new")
        whole.write_text(json.dumps(self.steps))
        whole.replace(self.path)


def flat(nested: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``, under names that MLflow takes."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        name = above + re.sub(r"[^\w\-. /]", "_", str(key))
        deeper = isinstance(value, Mapping) and value
        found |= flat(value, f"{name}.") if deeper else {name[:LONGEST_NAME]: value}
    return found
