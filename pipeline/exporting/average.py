"""The mean of several runs' weights: model soups (Wortsman et al. 2022, arXiv:2203.05482)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import Problem, listing
from pipeline.runs.freezing import differences

if TYPE_CHECKING:
    from pipeline.launch.inference import Trained

# Of a configuration: what says nothing of weights and of what comes out.
_ASIDE = ("_name_or_path", "transformers_version", "class_weights", "dtype", "torch_dtype", "use_cache")
_DROPOUTS = ("dropout", "dropout_prob", "dropout_rate", "pdrop")
_SHOWN = 5


def problems(members: Sequence[Trained]) -> Iterator[Problem]:
    """What keeps the weights of runs from having a mean: another task, other labels, another architecture, or other
    words in the tokenizer than the first of them."""
    first = members[0]
    for other in members[1:]:
        whose = f"{other.run.folder.name} and {first.run.folder.name}"
        tasks = [member.spec.choices["task"] for member in (first, other)]
        if tasks[0] != tasks[1]:
            yield Problem("run", f"{whose} are of different tasks: {listing(tasks)}", "runs of one task")
            continue
        if first.labels != other.labels:
            what = f"{whose} have different labels: {listing(other.labels, 8)}; {listing(first.labels, 8)}"
            yield Problem("run", what, "runs with the same labels in the same order (task.labels)")
            continue
        if changed := differences(_configuration(first), _configuration(other)):
            each = [f"{key} {there!r:.40} and {here!r:.40}" for key, (here, there) in changed.items()]
            what = f"{whose} differ in more than their weights: {listing(each, _SHOWN)}"
            yield Problem("run", what, "runs with one architecture, and for numbers one scale")
        elif first.tokenizer.get_vocab() != other.tokenizer.get_vocab():
            yield Problem("run", f"{whose} have tokenizers with different words", "runs with one tokenizer")


def average(members: Sequence[Trained]) -> Any:
    """The first run's model with the mean of all weights, in float32. The others are in memory one at a time."""
    import torch

    model = members[0].model.cpu()
    total = {name: value.double() for name, value in model.state_dict().items() if value.is_floating_point()}
    for member in members[1:]:
        task, checkpoint, folder = member.spec.task, member.checkpoint, str(member.run.weights)
        for name, value in task.load(checkpoint, folder, member.head)[0].state_dict().items():
            if name in total:
                total[name] += value.double()
    mean = {name: (value / len(members)).to(torch.float32) for name, value in total.items()}
    model.load_state_dict({**model.state_dict(), **mean})
    return model


def started_apart(members: Sequence[Trained]) -> bool:
    """Whether they were tuned from different weights: the mean of those is seldom any good."""
    return len({member.prepared["checkpoint"]["fingerprint"] for member in members}) > 1


def _configuration(member: Trained) -> dict[str, Any]:
    values = member.checkpoint.config(str(member.run.weights)).to_dict()
    return {key: value for key, value in values.items() if key not in _ASIDE and not key.endswith(_DROPOUTS)}
