"""The Lightning side of the Weights & Biases logger."""

import logging
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from pipeline.runs.redaction import redact
from pipeline.training.loggers.base import FINISHED, STAGE_ENDED, Logged
from pipeline.training.loggers.wandb_files import stage
from pipeline.training.specs import RunFacts

if TYPE_CHECKING:
    from wandb import Run

    from pipeline.training.loggers.wandb import Wandb

log = logging.getLogger(__name__)

STEP = "trainer/global_step"  # The name that Lightning gives it.
# Seconds to wait for the server at the start of a run, and for the upload at its end.
START, END = 30, 300


class WandbLogger(Logger):
    """One W&B run of its own for each run, also where several runs share a process.

    Not Lightning's WandbLogger, which joins whatever W&B run the process already has and never finishes it.
    """

    def __init__(self, spec: "Wandb", facts: RunFacts, *, offline: bool) -> None:
        super().__init__()
        self.spec, self.facts, self.offline = spec, facts, offline
        self.folder = facts.folder / "logs" / "wandb"
        self.run: Run | None = None
        self.over = False

    @property
    def name(self) -> str:
        return self.spec.project

    @property
    def version(self) -> str | None:
        return self.run.id if self.run else None

    @property
    def save_dir(self) -> str:
        return str(self.folder)

    @property
    def experiment(self) -> "Run":
        """The W&B run, begun when first asked for. Process zero only."""
        if self.run is None:
            self.logged = Logged(self.folder / "logged_step")
            self.run = self.begin()
        return self.run

    def begin(self) -> "Run":
        import wandb

        if not self.offline:
            try:
                return self.init("online")
            except (wandb.Error, OSError, TimeoutError, ValueError) as error:
                self.offline = True
                log.warning("W&B: offline, because the server could not be used (%s)", redact(str(error)))
        return self.init("offline")

    def init(self, mode: str) -> "Run":
        import wandb

        facts = self.facts
        run_id = wandb_id(self.folder, facts.id)
        segment = mode == "offline" and facts.segment > 0
        run = wandb.init(
            mode=mode,
            project=self.spec.project,
            entity=self.spec.entity,
            # wandb makes the folder `wandb` itself.
            dir=self.folder.parent,
            id=f"{run_id}-{facts.segment}" if segment else run_id,
            name=f"{facts.name} (part {facts.segment + 1})" if segment else facts.name,
            resume=None if mode == "offline" else "allow",
            # Segments of one run find each other by their group, unless a sweep has them in its own.
            group=facts.group or run_id,
            job_type=facts.task,
            tags=[tag[:64] for tag in facts.tags],
            reinit="create_new",
            save_code=False,
            settings=settings(),
        )
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP)
        return run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        if self.over:
            return
        run, step = self.experiment, step or 0
        if new := self.logged.new(metrics, step):
            run.log({name: float(value) for name, value in new.items()} | {STEP: step})
            self.logged.remember(list(new), step)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self.experiment.config.update(redact(params), allow_val_change=True)

    @rank_zero_only
    def log_table(self, name: str, rows: Sequence[Sequence[Any]], step: int) -> None:
        import wandb

        run = self.experiment
        if not self.logged.new({name: rows}, step):
            return
        header, *body = [list(row) for row in rows]
        columns = [str(column) for column in header]
        table = wandb.Table(columns=columns, data=body, allow_mixed_types=True)
        shown: dict[str, Any] = {name: table, STEP: step}
        if name.endswith("confusion_matrix"):
            shown[f"{name}_plot"] = confusion_plot(columns[1:], body, name)
        run.log(shown)
        self.logged.remember([name], step)

    @rank_zero_only
    def log_files(self, folder: Path) -> None:
        """The run's small files without secrets; model and predictions where the user asked for them."""
        import wandb

        artifact = wandb.Artifact(f"{wandb_id(self.folder, self.facts.id)}-files", type="run")
        artifact.add_dir(str(stage(folder, self.folder / "files")), policy="immutable")
        wanted = {"model": self.spec.upload_weights, "predictions": self.spec.upload_predictions}
        for part, upload in wanted.items():
            if upload and (folder / part).is_dir():
                artifact.add_dir(str(folder / part), name=part, policy="immutable")
        self.experiment.log_artifact(artifact)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Finish the W&B run; not after each stage of a Lightning trainer."""
        if status == STAGE_ENDED or self.over:
            return
        self.over = True
        if self.run is not None:
            self.run.finish(exit_code=0 if status == FINISHED else 1)
            if self.offline:
                log.info("W&B: offline; upload with: wandb sync %s", Path(self.run.dir).parent)


def settings() -> Any:
    """What wandb may do on its own account: little, and nothing that asks or that waits for ever."""
    import wandb

    return wandb.Settings(
        silent=True,  # Its messages would break the progress bar.
        console="off",
        disable_code=True,
        disable_git=True,  # The manifest has the commit; a remote's URL may hold a password.
        x_disable_meta=True,  # The command line may hold a secret.
        symlink=False,
        init_timeout=START,
        finish_timeout=END,
    )


def wandb_id(folder: Path, run_id: str) -> str:
    """The W&B id of a run directory, made once. Two runs of one configuration have the same run id."""
    path = folder / "id"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as whole:
            whole.write(f"{run_id}-{secrets.token_hex(3)}")
        Path(whole.name).replace(path)
    return path.read_text()


def confusion_plot(labels: list[str], body: list[list[Any]], title: str) -> Any:
    """W&B's own chart of a confusion matrix. body: one row for each true label, which is its first cell."""
    import wandb

    cells = [
        [str(true), label, count] for true, *row in body for label, count in zip(labels, row, strict=True)
    ]
    return wandb.plot_table(
        vega_spec_name="wandb/confusion_matrix/v1",
        data_table=wandb.Table(columns=["Actual", "Predicted", "nPredictions"], data=cells),
        fields={"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "nPredictions"},
        string_fields={"title": title},
    )
