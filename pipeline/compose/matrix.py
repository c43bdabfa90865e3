"""Which tasks, models and strategies go together: known before anything is loaded, from what each of them declares.

All three say ``heads`` (names of `pipeline.models.heads`): a task those that serve it, the best first; a model those
that its architecture can have; a strategy those with which it has something to train. None is unknown, and allowed.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipeline.compose import locations
from pipeline.compose.target import Kind
from pipeline.compose.target import resolve as resolve_target
from pipeline.compose.validation import validate
from pipeline.errors import BadInput, Problem, listing
from pipeline.models.checkpoint import Checkpoint
from pipeline.strategies.base import Strategy
from pipeline.tasks.base import Task

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec

Heads = Sequence[str] | None
KINDS = {"task": Kind(Task), "model": Kind(Checkpoint), "strategy": Kind(Strategy)}


def usable(task: Heads, model: Heads) -> list[str] | None:
    """The heads that a task may come to use on a model: the first that both have. None where that is unknown."""
    if task is None:
        return None if model is None else list(model)
    return list(task) if model is None else [head for head in task if head in model][:1]


def fits(task: Heads, model: Heads, strategy: Heads = None) -> bool:
    """Whether the three can go together, as far as it is known."""
    heads = usable(task, model)
    return heads is None or any(strategy is None or head in strategy for head in heads)


def problems(spec: "RunSpec") -> Iterator[Problem]:
    """What does not go together in a configuration, with the names of what would."""
    task, model, strategy = spec.task.heads, spec.model.heads, spec.strategy.heads
    chosen = {group: f"{group}={spec.choices.get(group) or '…'}" for group in KINDS}
    if not fits(task, model):
        others = [name for name, heads in declared("model").items() if fits(task, heads, strategy)]
        tasks = [name for name, heads in declared("task").items() if fits(heads, model, strategy)]
        what = f"{chosen['model']} has no head for {chosen['task']}"
        allowed = f"models that can: {listing(others)}; what {chosen['model']} can do: {listing(tasks)}"
        yield Problem("model", what, allowed)
    elif not fits(task, model, strategy):
        others = [name for name, heads in declared("strategy").items() if fits(task, model, heads)]
        what = f"{chosen['strategy']} has nothing to train for {chosen['task']}"
        whose = f" with {chosen['model']}" if model is not None else ""
        yield Problem("strategy", what + whose, f"strategies that can: {listing(others)}")


def table() -> list[list[str]]:
    """For every task: the models that can serve it and the strategies that can train it, the user's own included.

    A task has a row for each set of strategies. The first row is the header.
    """
    models, strategies = declared("model"), declared("strategy")
    rows = [["task", "models", "strategies"]]
    for task, heads in declared("task").items():
        able: dict[tuple[str, ...], list[str]] = {}
        for model, has in models.items():
            if fits(heads, has):
                able.setdefault(tuple(s for s, h in strategies.items() if fits(heads, has, h)), []).append(
                    model
                )
        rows += [[task, ", ".join(names), ", ".join(trained)] for trained, names in able.items()]
    return rows


def declared(group: str) -> dict[str, Heads]:
    """Option -> its heads, for every option of the group that is valid by itself, wherever it lies."""
    found = {}
    for option, file in sorted(locations.options(group).items()):
        try:
            found[option] = _heads(group, option, file)
        except BadInput:
            continue  # Told of when it is chosen; here it only is no recommendation.
    return found


def _heads(group: str, option: str, file: Path) -> Heads:
    values = _values(group, option, file)
    cls = resolve_target(values, KINDS[group], group)
    assert isinstance(cls, type)
    # Which heads a task has may depend on its options. Some are left to the user, so not all are valid as they stand.
    part: Any = validate(cls, {key: v for key, v in values.items() if key != "_target_"}, group)[0]
    heads = getattr(part or cls, "heads", None) if part or group != "model" else values.get("heads")
    return heads if isinstance(heads, (list, tuple)) else None


def _values(group: str, option: str, file: Path) -> dict[str, Any]:
    """What an option sets. Composing takes long for one that stands by itself, as shipped ones do."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise BadInput(Problem(f"{group}={option}", f"{file} cannot be read: {error}")) from error
    if isinstance(values, dict) and "defaults" in values:
        from pipeline.compose.composing import compose
        from pipeline.compose.resolving import resolve

        values = resolve(compose([f"{group}={option}"]).config)[0].get(group)
    return values if isinstance(values, dict) else {}
