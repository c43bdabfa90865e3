"""The Lightning side of the Weights & Biases logger."""

import logging
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from pipeline.runs.redaction import redact
from pipeline.training.loggers.wandb_files import stage
from pipeline.training.loggers.wandb_record import at_most, last_steps, wait_for_end
from pipeline.training.specs import RunFacts

if TYPE_CHECKING:
    from wandb import Run

    from pipeline.training.loggers.wandb import Wandb

log = logging.getLogger(__name__)

STEP = "trainer/global_step"  # The name that Lightning gives it.
# Seconds to wait for the server at the start of a run, and for the upload at its end.
START, END = 20, 300
# Seconds after which a logged number is on disk at the latest.
FLUSH = 0.5


class WandbLogger(Logger):
    """One W&B run of its own for each run, also where several runs share a process.

    Not Lightning's WandbLogger, which joins whatever W&B run the process already has and never finishes it.
    """

    def __init__(self, spec: "Wandb", facts: RunFacts, *, offline: bool) -> None:
        super().__init__()
        self.spec, self.facts, self.offline = spec, facts, offline
        self.folder = facts.folder / "logs" / "wandb"
        self.run: Run | None = None
        self.logged: dict[str, int] = {}  # By earlier starts of the run: metric -> last step.
        self.complete, self.over = False, False

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
            offline = last_steps(self.folder, "offline-run-*", STEP)
            online = last_steps(self.folder, "run-*", STEP)
            self.run = self.begin()
            if not self.offline:  # Of what was logged online, the server may not have received the end.
                online = at_most(online, int(self.run.summary.get(STEP, -1)))
            self.logged = {
                name: max(offline.get(name, -1), online.get(name, -1)) for name in offline | online
            }
        return self.run

    def begin(self) -> "Run":
        import wandb

        if not self.offline:
            try:
                return self.init("online")
            except (wandb.Error, OSError, TimeoutError, ValueError) as error:
                self.offline = True
                why = redact(str(error).partition("\n")[0])
                log.warning("W&B: offline, because the server could not be used (%s)", why)
                return self.init("offline", part=self.facts.segment)
        return self.init("offline", part=self.facts.segment or None)

    def init(self, mode: Literal["online", "offline"], part: int | None = None) -> "Run":
        import wandb

        facts = self.facts
        run_id = wandb_id(self.folder, facts.id)
        run = wandb.init(
            mode=mode,
            project=self.spec.project,
            entity=self.spec.entity,
            # wandb makes the folder `wandb` itself.
            dir=self.folder.parent,
            id=run_id if part is None else f"{run_id}-{part}",
            name=f"{facts.name} (part {part + 1})" if part else facts.name,
            resume=None if mode == "offline" else "allow",
            # Segments of one run find each other by their group, unless a sweep has them in its own.
            group=facts.group or run_id,
            job_type=facts.task,
            tags=[tag[:64] for tag in facts.tags if tag],
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
        if new := {name: float(value) for name, value in metrics.items() if self.is_new(name, step)}:
            run.log(new | {STEP: step})

    def is_new(self, name: str, step: int) -> bool:
        """Whether no earlier start of the run has logged this; a resumed run makes some steps once more."""
        return step > self.logged.get(name, -1)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self.experiment.config.update(redact(params), allow_val_change=True)

    @rank_zero_only
    def log_table(self, name: str, rows: Sequence[Sequence[Any]], step: int) -> None:
        import wandb

        run = self.experiment
        if not self.is_new(name, step):
            return
        header, *body = [list(row) for row in rows]
        columns = [str(column) for column in header]
        table = wandb.Table(columns=list(columns), data=body, allow_mixed_types=True)
        shown: dict[str, Any] = {name: table, STEP: step}
        if name.endswith("confusion_matrix"):
            shown[f"{name}_plot"] = confusion_plot(columns[1:], body, name)
        run.log(shown)

    @rank_zero_only
    def log_files(self, folder: Path) -> None:
        """The run's small files without secrets; model and predictions where the user asked for them."""
        import wandb

        artifact = wandb.Artifact(f"{wandb_id(self.folder, self.facts.id)}-files", type="run")
        staged = stage(folder, self.folder / "files")
        wanted = {"model": self.spec.upload_weights, "predictions": self.spec.upload_predictions}
        sources = [(staged, staged)] + [(folder, folder / part) for part, upload in wanted.items() if upload]
        for root, source in sources:
            for path in sorted(source.rglob("*")):
                if path.is_file():  # "immutable": referred to where it is, not copied to the user's home.
                    artifact.add_file(str(path), name=path.relative_to(root).as_posix(), policy="immutable")
        self.experiment.log_artifact(artifact)
        self.complete = True

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Finish the W&B run, once the files are logged or something failed.

        Lightning says "success" after every fit, validation and test, when the run is not over yet.
        """
        if self.over or (status == "success" and not self.complete):
            return
        self.over = True
        if self.run is not None:
            self.run.finish(exit_code=0 if self.complete else 1)
            wait_for_end(Path(self.run.settings.sync_file), seconds=5)
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
        x_transaction_log_flush_interval=FLUSH,
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
