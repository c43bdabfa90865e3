"""Runs one after another, each from the model of the one before: `stages=[pretrain,adapt,finetune]`.

A call without stages is a chain of one run, which has no name. Every stage is a run like any other, with a directory,
an id and a model of its own; its manifest says where it stands in the chain and which run it started from.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.compose.stages import Stage, told_once
from pipeline.data.overlap import seen_before
from pipeline.errors import BadInput, Interrupted, Problem
from pipeline.launch.ready import Ready, get_ready
from pipeline.runs.directory import RunDirectory, finished
from pipeline.runs.freezing import home, run_id
from pipeline.starting import Start, prepare_start

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.models.checkpoint import Checkpoint

# A run, and the content of its metrics.json (empty in processes other than the first).
Done = tuple[RunDirectory, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Chain:
    """Stages that could start now.

    start: of the first one. ready: of every one; the model of a later stage is yet to be trained, so this is one of
    the same architecture and tokenizer.
    """

    stages: list[Stage]
    start: Start
    ready: list[Ready]

    def titled(self, what: str) -> list[tuple[str, Ready]]:
        """Every stage under a title: ``plan of stage 1 of 2, pretrain``; plainly ``plan`` for a run by itself."""
        titles = [f"{what} of {stage.title}" if stage.title else what for stage in self.stages]
        return list(zip(titles, self.ready, strict=True))

    def plans(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """The rows of every stage's plan, under a title."""
        return [
            (title, [*ready.plan(), *_of_before(self.stages[:number], self.ready[: number + 1])])
            for number, (title, ready) in enumerate(self.titled("plan"))
        ]

    def work(self) -> list[Done]:
        """Bring every stage to its end, one after another.

        With `resume=auto` a stage that has finished is kept, and one that was cut off goes on. Raises what a run
        raises; the stages after it are then not started.
        """
        done: list[Done] = []
        for stage in self.stages:
            with self._told_of(stage):
                start = _start_from(stage, done[-1][0]) if done else self.start
                done.append(_kept(stage, start) or _brought_to_its_end(stage, start))
        return done

    @contextmanager
    def _told_of(self, stage: Stage) -> Iterator[None]:
        """Say which stage it is that ends the chain, and how that goes on."""
        try:
            yield
        except Interrupted as error:
            if not stage.name:
                raise
            raise Interrupted(f"in {stage.title}; the same command with resume=auto goes on") from error
        except Exception:
            if stage.name:
                rest = ", ".join(later.name for later in self.stages[stage.number :])
                print(
                    f"{stage.title}, has failed" + (f"; not started: {rest}" if rest else ""), file=sys.stderr
                )
            raise


def prepare_chain(stages: Sequence[Stage]) -> Chain:
    """Prepare data and models of checked stages; nothing is written to the outputs.

    Raises BadInput with everything that is wrong in any of them.
    """
    first, *later = stages
    if not first.name:
        start = prepare_start(first.composed, first.spec)
        return Chain([first], start, [start.ready])
    found: dict[str, list[Problem]] = {}
    ready: list[Ready] = []
    # Where the first stage cannot be prepared, later ones are checked with its checkpoint as that is.
    model: Checkpoint = dataclasses.replace(first.spec.model, vocab_size=None)
    try:
        start = prepare_start(first.composed, first.spec, stage=_place(first))
        ready.append(start.ready)
        model = first.spec.model.like(start.ready.prepared.checkpoint["folder"])
    except BadInput as error:
        found[first.name] = error.problems
    for stage in later:
        try:
            ready.append(get_ready(_with_model(stage.spec, model)))
        except BadInput as error:
            found[stage.name] = error.problems
    if found:
        raise BadInput(told_once(found, len(stages)))
    return Chain(list(stages), start, ready)


def table(done: Sequence[Done]) -> list[list[str]]:
    """The runs of a chain: a header, and a row for each."""
    rows = [["stage", "task", "data", "steps", "score", "directory"]]
    for run, metrics in done:
        choices = run.manifest()["choices"]
        what = [str(choices.get(group)) for group in ("stage", "task", "data")]
        rows.append([*what, f"{metrics['total_steps']:,}", _score(metrics), str(run.folder)])
    return rows


def _of_before(earlier: Sequence[Stage], ready: Sequence[Ready]) -> list[tuple[str, str]]:
    """What the plan of the last of ``ready`` says of the stages before it; nothing for the first one."""
    if not earlier:
        return []
    seen = "; ".join(_seen_before(earlier, ready))
    return [
        ("starts from", f"the model that {earlier[-1].name} leaves"),
        ("seen before", seen or "no row that it is scored on is a training row of a stage before"),
    ]


def _seen_before(earlier: Sequence[Stage], ready: Sequence[Ready]) -> Iterator[str]:
    """How much of what the last of ``ready`` is scored on are training rows of ``earlier`` stages."""
    *before, last = ready
    scored = (last.spec.task, last.prepared.folder)
    for stage, other in zip(earlier, before, strict=True):
        found = seen_before((other.spec.task, other.prepared.folder), scored)
        for split, count in found.items():
            if count:
                of = f"{count:,} of {last.prepared.rows[split]:,} {split} rows"
                yield f"{of} {'is a training row' if count == 1 else 'are training rows'} of {stage.name}"


def _score(metrics: Mapping[str, Any]) -> str:
    """The metric that chose the best checkpoint, of the test rows where there are any."""
    metric = (metrics["monitor"] or "").rpartition("/")[2]
    names = [f"test/{metric}", metrics["monitor"]]
    return next((f"{name} {metrics[name]:.4f}" for name in names if name in metrics), "")


def _with_model(spec: RunSpec, model: Checkpoint) -> RunSpec:
    """``spec`` with the checkpoint of ``model``, and what it says itself of dropout, attention and padding."""
    start = {name: getattr(model, name) for name in model.values_of_trained("")}
    return dataclasses.replace(spec, model=dataclasses.replace(spec.model, **start))


def _start_from(stage: Stage, before: RunDirectory) -> Start:
    """The stage, ready to start from the finished run ``before``."""
    stage = stage.after(str(before.folder))
    return prepare_start(stage.composed, stage.spec, stage=_place(stage, before))


def _place(stage: Stage, before: RunDirectory | None = None) -> dict[str, Any]:
    """What the manifest says of a run's place in a chain."""
    source = {"folder": str(before.folder), "id": before.manifest()["id"]} if before else None
    return {"name": stage.name, "number": stage.number, "of": stage.of, "from": source}


def _brought_to_its_end(stage: Stage, start: Start) -> Done:
    run, resumed = start.freeze_or_resume()
    print(_line(stage, "resuming" if resumed else "run", run), file=sys.stderr)
    return run, start.launch(run, resumed)


def _kept(stage: Stage, start: Start) -> Done | None:
    """The stage as it has finished before, where the call goes on from there."""
    spec = start.ready.spec
    if not stage.name or spec.resume != "auto":
        return None
    run = finished(home(spec), run_id(spec, start.ready.prepared))
    if run is None:
        return None
    print(_line(stage, "has finished before and is kept:", run), file=sys.stderr)
    return run, run.metrics()


def _line(stage: Stage, what: str, run: RunDirectory) -> str:
    return f"{stage.title}: {what} {run.folder}" if stage.title else f"{what} {run.folder}"
