"""MLflow: a database in the run directory, or the server that MLFLOW_TRACKING_URI names."""

import os
from typing import TYPE_CHECKING

from pipeline.component import component
from pipeline.training.loggers.base import require
from pipeline.training.specs import LoggerSpec, RunFacts

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

# What the local database needs. A server needs the first only (mlflow-skinny, or all of mlflow).
CLIENT = {"mlflow": "mlflow-skinny>=3.0"}
DATABASE = {"sqlalchemy": "sqlalchemy>=2.0", "alembic": "alembic>=1.13"}


@component
class MLflow(LoggerSpec):
    """Shown by ``mlflow ui --backend-store-uri sqlite:///<run>/logs/mlflow/mlflow.db`` (package mlflow)."""

    # The MLflow experiment. null: the task's name.
    experiment: str | None = None

    def check(self) -> None:
        require("mlflow", CLIENT if os.environ.get("MLFLOW_TRACKING_URI") else CLIENT | DATABASE)

    def build(self, facts: RunFacts) -> "Logger":
        from pipeline.training.loggers.mlflow_run import MLflowLogger

        return MLflowLogger(
            facts.folder / "logs" / "mlflow",
            experiment=self.experiment or facts.task,
            run_name=facts.name,
            tags=dict.fromkeys(facts.tags, "true")
            | {"hydratune.id": facts.id}
            | ({"hydratune.group": facts.group} if facts.group else {}),
            server=os.environ.get("MLFLOW_TRACKING_URI") or None,
        )
