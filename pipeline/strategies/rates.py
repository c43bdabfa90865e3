"""Learning rates and weight decay that differ from weight to weight: what becomes of them in an optimizer's groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from pipeline.component import component
from pipeline.errors import BadInput, Problem, listing, nearest

if TYPE_CHECKING:
    from torch import nn


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern


# What is searched for in the full names of weights, as in `bert.encoder.layer.0.attention.self.query.weight`.
Pattern = Annotated[str, AfterValidator(_compiles)]
Positive = Annotated[float, Field(gt=0)]


@component
class Rate:
    """A learning rate for the weights in whose names ``pattern`` is found: a factor, or the rate itself."""

    pattern: Pattern
    factor: Positive | None = None
    lr: Positive | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Rate:
        if (self.factor is None) == (self.lr is None):
            raise ValueError("needs either factor (times optimizer.lr) or lr (instead of it)")
        return self


@dataclass(frozen=True)
class Rule:
    """How a weight is trained.

    factor: what optimizer.lr is multiplied by; None where ``lr`` stands in its place.
    decayed: whether weight decay applies.
    stage: of the stages in which a model is unfrozen, the one that begins with it.
    """

    factor: float | None
    lr: float | None
    decayed: bool
    stage: int = 0


def trained_names(model: nn.Module) -> dict[str, list[str]]:
    """What is trained: the first name of a weight -> all that it has (tied ones have several)."""
    every: dict[Any, list[str]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        if weight.requires_grad:
            every.setdefault(weight, []).append(name)
    return {names[0]: names for names in every.values()}


def head_parameters(model: Any) -> set[str]:
    """Names of the weights of the model's new head; of a model within adapters too."""
    from pipeline.strategies.parts import backbone_parts, head_names

    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    shared = {weight for part in backbone_parts(plain) for weight in part.parameters()}
    head = {weight for name in head_names(plain) for weight in plain.get_submodule(name).parameters()}
    return {name for name, weight in model.named_parameters() if weight in head - shared}


def rules(
    model: nn.Module,
    *,
    factors: Mapping[str, float],
    rates: Sequence[Rate],
    no_decay: Sequence[str],
    stages: Mapping[str, int],
) -> dict[str, Rule]:
    """A rule for every trained weight.

    factors: by name, 1 where there is none; they multiply with the factor of the first of ``rates`` that fits, whose
    ``lr`` replaces all of them. One-dimensional weights (biases, norms) are not decayed, nor those that ``no_decay``
    finds. Raises BadInput for patterns that find nothing.
    """
    names = trained_names(model)
    _check(names, rates, no_decay)
    ndim = {name: weight.ndim for name, weight in model.named_parameters()}
    made = {}
    for name, every in names.items():
        rate = next((rate for rate in rates if _found(rate.pattern, every)), None)
        decayed = ndim[name] > 1 and not any(_found(pattern, every) for pattern in no_decay)
        stage = stages.get(name, 0)
        if rate is not None and rate.factor is None:
            made[name] = Rule(None, rate.lr, decayed, stage)
        else:
            factor = factors.get(name, 1.0) * (1.0 if rate is None else rate.factor or 1.0)
            made[name] = Rule(factor, None, decayed, stage)
    return made


def groups(model: nn.Module, made: Mapping[str, Rule], weight_decay: float) -> list[dict[str, Any]]:
    """Optimizer groups of weights with the same rule. Beside what torch reads they have a ``factor`` where it is not 1
    (None: they have an ``lr`` of their own) and a ``stage`` where it is not 0."""
    weights = dict(model.named_parameters())
    members: dict[Rule, list[Any]] = {}
    for name, rule in made.items():
        members.setdefault(rule, []).append(weights[name])
    # What is decayed comes first, as everywhere.
    return [
        {
            "params": members[rule],
            "weight_decay": weight_decay if rule.decayed else 0.0,
            **({} if rule.factor == 1 else {"factor": rule.factor}),
            **({} if rule.lr is None else {"lr": rule.lr}),
            **({"stage": rule.stage} if rule.stage else {}),
        }
        for rule in sorted(members, key=lambda rule: not rule.decayed)
    ]


def described(
    model: nn.Module,
    made: Mapping[str, Rule],
    *,
    labels: Mapping[str, str],
    rates: Sequence[Rate],
    no_decay: Sequence[str],
) -> dict[str, str]:
    """The rules in words, where there is anything to say. labels: what some weights are called."""
    names = trained_names(model)
    called: dict[str, dict[str, None]] = {}
    for name, rule in made.items():
        text = f"lr {rule.lr:g}" if rule.factor is None else f"× {rule.factor:.3g}"
        pattern = next((rate.pattern for rate in rates if _found(rate.pattern, names[name])), None)
        called.setdefault(text, {})[labels.get(name, "others") if pattern is None else repr(pattern)] = None
    found = {}
    if called.keys() - {"× 1"}:
        each = [f"{', '.join(labels)} {text}" for text, labels in called.items()]
        found["rates"] = "; ".join(each if len(each) <= 6 else [*each[:2], "…", *each[-3:]])
    if no_decay:
        plain = [name for name in made if any(_found(pattern, names[name]) for pattern in no_decay)]
        found["no decay"] = f"norms, biases, {listing(plain, 3)}"
    return found


def _check(names: Mapping[str, list[str]], rates: Sequence[Rate], no_decay: Sequence[str]) -> None:
    patterns = {f"strategy.rates.{number}.pattern": rate.pattern for number, rate in enumerate(rates)}
    patterns |= {f"strategy.no_decay.{number}": pattern for number, pattern in enumerate(no_decay)}
    every = [name for tied in names.values() for name in tied]
    words = sorted({word for name in every for word in name.split(".") if not word.isdigit()})
    problems = [
        Problem(
            where,
            f"{pattern!r} is found in the name of no weight that is trained",
            f"a regular expression for names such as {every[0]}, made of {listing(words)}",
            nearest(pattern, words),
        )
        for where, pattern in patterns.items()
        if not _found(pattern, every)
    ]
    if problems:
        raise BadInput(problems)


def _found(pattern: str, names: Iterable[str]) -> bool:
    return any(re.search(pattern, name) for name in names)
