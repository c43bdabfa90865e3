"""The commands in Python: ``Run.train([...overrides])``, ``Run(DIR).predict(rows)``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.runs.directory import RunDirectory, open_run

if TYPE_CHECKING:
    from pipeline.chain import Chain
    from pipeline.compose.run_spec import ExportFormat
    from pipeline.data.prepare import Prepared
    from pipeline.launch.inference import Trained
    from pipeline.sources.base import Source


class Run:
    """One run directory. Where a command would end with code 2, BadInput is raised, with every mistake.

    run = Run.train(["model=bert", "strategy=lora", "seed=1"])
    run.metrics["test/accuracy"]
    Run("outputs/…").predict(["A gripping film.", {"text": "Dull.", "id": 7}])
    """

    def __init__(self, folder: str | Path) -> None:
        self.directory: RunDirectory = open_run(str(folder))

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @classmethod
    def train(cls, overrides: Sequence[str] = (), config_dir: str | None = None) -> Run:
        """Compose, check, prepare, freeze and train one run, as ``pipeline.train`` does with these words. With
        ``stages`` one after another; the run is then that of the last stage.

        Raises Interrupted when it was asked to stop; the directory can be resumed then.
        """
        chain = _chain("train", overrides, config_dir)
        if any(stage.spec.seeds for stage in chain.stages):
            raise BadInput(
                Problem("seeds", "ask for several runs, and this is one", "a call for each seed=…")
            )
        run, _ = chain.work()[-1]
        return cls(run.folder)

    @staticmethod
    def plan(overrides: Sequence[str] = (), config_dir: str | None = None) -> dict[str, str]:
        """What training would do and cost; nothing is trained and no run directory written. With ``stages`` each
        line is named after its stage too: ``pretrain: steps``."""
        chain = _chain("plan", overrides, config_dir)
        whose = [f"{stage.name}: " if stage.name else "" for stage in chain.stages]
        plans = zip(whose, chain.plans(), strict=True)
        return {start + what: text for start, (_, rows) in plans for what, text in rows}

    @staticmethod
    def prepare(overrides: Sequence[str] = (), config_dir: str | None = None) -> Prepared:
        """Download, check, split, encode and cache data and model; of several ``stages`` what the last one has."""
        return _chain("prepare", overrides, config_dir).ready[-1].prepared

    @property
    def folder(self) -> Path:
        return self.directory.folder

    @property
    def state(self) -> str:
        """created, running, trained, finished, failed, interrupted or pruned."""
        return self.directory.state

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds; empty before the run finished."""
        return self.directory.metrics()

    @property
    def manifest(self) -> dict[str, Any]:
        """Identity, environment and what was prepared."""
        return self.directory.manifest()

    @property
    def config(self) -> dict[str, Any]:
        """The frozen configuration, interpolations resolved."""
        from pipeline.compose.frozen import load_frozen

        return load_frozen(self.directory)[1].config

    def resume(self, overrides: Sequence[str] = ()) -> Run:
        """Go on where the run was cut off; the overrides may only change how long it trains."""
        from pipeline.compose.overrides import quoted

        return Run.train([*overrides, f"resume={quoted(str(self.folder))}"])

    def export(
        self, output: str | Path, format: ExportFormat = "huggingface", others: Sequence[Run] = ()
    ) -> Path:
        """Write the model into the new folder ``output`` for transformers, PEFT or onnxruntime; with ``others`` the
        mean of the weights of all of them. It is loaded in a fresh process and compared before it is there.

        Raises BadInput for what cannot be exported so, RunFailed where it does not compute the same.
        """
        from pipeline.compose.several import open_all
        from pipeline.exporting.export import export

        used = open_all([str(run.folder) for run in (self, *others)], (), None, "export")
        return export(used, format, str(output))[0]

    def evaluate(
        self, overrides: Sequence[str] = (), config_dir: str | None = None, others: Sequence[Run] = ()
    ) -> dict[str, float]:
        """Metrics by full name of the run's own evaluation data, or of what `data` overrides name; with ``others``
        those of the mean of what all of them say."""
        from pipeline.compose.several import open_all
        from pipeline.launch.ensemble import Ensemble
        from pipeline.launch.inference import Trained

        folders = [str(run.folder) for run in (self, *others)]
        used = open_all(folders, overrides, config_dir, "evaluate")
        members = [Trained(each.run, each.spec, used[0].hardware) for each in used]
        return (Ensemble(members) if others else members[0]).evaluate(used[0].data)[0]

    def predict(
        self,
        rows: Iterable[Mapping[str, Any] | str],
        columns: Mapping[str, str] | None = None,
        predict_as: str | None = None,
    ) -> list[dict[str, Any]]:
        """What the model says of each row, in their order.

        rows: column -> value, or plain texts. columns: role -> column; other roles are read as in training, or
        named as they are. predict_as: of a run on a mixture, the source whose columns and template the rows have.
        Raises BadInput for rows that are neither, or lack what the task reads.
        """
        if isinstance(rows, str | Mapping):
            raise BadInput(Problem("rows", f"one {type(rows).__name__}", "a list of rows: [row]"))
        like = self._trained.spec.data
        if predict_as is not None:
            like = _like(like, predict_as)
        return [said for _, said in self._trained.predict(_as_rows(rows), columns, like)]

    @cached_property
    def _trained(self) -> Trained:
        """Loaded once for all predictions."""
        from pipeline.compose.using import open_finished
        from pipeline.launch.inference import Trained

        used = open_finished(str(self.folder), command="predict")
        return Trained(used.run, used.spec, used.hardware)


def _like(data: Source, name: str) -> Source:
    """The source of a mixture."""
    if name not in (parts := data.parts()):
        raise BadInput(
            Problem(
                "predict_as", f"there is no source {name!r}", listing(parts) or "null", nearest(name, parts)
            )
        )
    return parts[name]


def _as_rows(rows: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, str | Mapping):
            raise BadInput(Problem(f"row {number}", f"{row!r} is no row", "a text, or column -> value"))
        yield {"text": row} if isinstance(row, str) else row


def _chain(command: str, overrides: Sequence[str], config_dir: str | None) -> Chain:
    from pipeline.chain import prepare_chain
    from pipeline.compose.command_line import Call, check

    if isinstance(overrides, str):
        raise TypeError("overrides are a list of texts, one for each word of the command line")
    return prepare_chain(check(Call(command, tuple(overrides), config_dir=config_dir)))
