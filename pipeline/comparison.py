"""Which model to choose: what each of several configurations would take, beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.compose.best import take_best
from pipeline.compose.composing import Composed, compose_all
from pipeline.compose.matrix import declared, fits
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput, Problem
from pipeline.launch.plan import GIB, memory
from pipeline.launch.ready import Ready, get_ready
from pipeline.launch.speed import flops_per_token, tokens_per_second

OF_MODELS = ["longest", "licence", "tasks"]
HEADER = ["", "weights", "trained", "memory", "tokens/s", *OF_MODELS]
# A tokenizer that knows no limit says so with a very large number.
_NO_LIMIT = 10**9


def compare(overrides: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """A row for each job of a sweep, the header first, and what is to be said below: why a job has no numbers.

    Raises BadInput where no job at all can be planned.
    """
    taken = take_best(overrides)
    with taken.told():
        jobs = compose_all(taken.words)
    common = set.intersection(*(set(job.overrides) for job in jobs))
    rows, notes, problems = [HEADER], [], list[Problem]()
    for job in jobs:
        name = (
            " ".join(text for text in job.overrides if text not in common) or f"model={job.choices['model']}"
        )
        try:
            rows.append([name, *_row(get_ready(load(job)))])
        except BadInput as error:
            problems += error.problems
            notes.append(f"{name}: {error.problems[0].what}")
            rows.append([name, *_declared_row(job)])
    if len(notes) == len(jobs):
        raise BadInput(list(dict.fromkeys(problems)))
    return rows, notes


def apart(rows: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """The table without what is known of models and the same in every row, which is one line below it."""
    header, *others = rows
    same = [
        place
        for place, name in enumerate(header)
        if name in OF_MODELS and len(others) > 1 and len({row[place] for row in others}) == 1
    ]
    kept = [[cell for place, cell in enumerate(row) if place not in same] for row in rows]
    return kept, [f"of all: {header[place]} {others[0][place]}" for place in same if others[0][place] != "-"]


def _row(ready: Ready) -> list[str]:
    spec, prepared, folder = ready.spec, ready.prepared, ready.prepared.checkpoint["folder"]
    longest = spec.model.tokenizer(folder).model_max_length
    return [
        _short(prepared.total),
        _short(prepared.trainable),
        f"{memory(spec, prepared, ready.machine).total / GIB:.1f} GiB",
        f"~{_short(float(f'{speed(ready):.1g}'))}",
        "no limit" if longest > _NO_LIMIT else f"{longest:,}",
        spec.model.licence or "?",
        _tasks(spec.model.heads),
    ]


def speed(ready: Ready) -> float:
    """Tokens per second in training, over all processes: an estimate."""
    spec, prepared = ready.spec, ready.prepared
    model, _ = spec.task.load(spec.model, prepared.checkpoint["folder"], prepared.head, meta=True)
    return tokens_per_second(flops_per_token(spec.strategy.adapt(model)), ready.machine)


def _declared_row(job: Composed) -> list[str]:
    """What is known of a model that is not here."""
    model = job.config.get("model") or {}
    return [*["-"] * 5, str(model.get("licence") or "?"), _tasks(model.get("heads"))]


def _tasks(heads: Sequence[str] | None) -> str:
    if heads is None:
        return "?"
    tasks = declared("task")
    able = [name for name, wanted in tasks.items() if fits(wanted, heads)]
    missing = [name for name in tasks if name not in able]
    if not missing:
        return "all"
    return ", ".join(able) if len(able) <= len(missing) else f"all but {', '.join(missing)}"


def _short(number: float) -> str:
    """To two or three digits: 110M, 22.7M, 3.4k."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.{0 if number >= 100 * size else 1}f}{unit}"
    return f"{number:.0f}"
