"""A chain of stages: the call composed once for each of them with `stage=NAME`, and all of them checked together.

`stage.NAME.KEY=VALUE` sets a key of one stage only; every other override of the call is one of every stage.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omegaconf import OmegaConf

from pipeline.compose import locations
from pipeline.compose.composing import Composed, compose
from pipeline.compose.run_spec import RunSpec, load
from pipeline.errors import BadInput, Problem, listing, nearest

# `stage.finetune.trainer.max_epochs=3`, `~stage.finetune.callbacks.early_stopping`
_OF_ONE = re.compile(r"(?P<sign>[~+]*)stage\.(?P<stage>[^.=]*)\.?(?P<rest>.*)", re.DOTALL)
# What a checkpoint of these keys is taken from the stage before.
_START = ("checkpoint", "revision", "sha256")


@dataclass(frozen=True)
class Stage:
    """One run of a chain, as it is configured by itself; a call without `stages` is one of one, without a name."""

    composed: Composed
    spec: RunSpec
    name: str = ""
    number: int = 1
    of: int = 1

    @property
    def title(self) -> str:
        """``stage 2 of 3, adapt``."""
        return f"stage {self.number} of {self.of}, {self.name}" if self.name else ""

    def after(self, run: str) -> "Stage":
        """The stage as it starts from the model of the finished run in this folder.

        The rest of its model's options stays: what it drops out, how it attends.
        """
        config = self.composed.config.copy()
        for key, value in self.spec.model.values_of_trained(run).items():
            config.model[key] = value
        composed = dataclasses.replace(self.composed, config=config)
        return dataclasses.replace(self, composed=composed, spec=load(composed))


def named(composed: Composed) -> bool:
    """Whether a call asks for a chain."""
    return OmegaConf.is_list(composed.config.get("stages")) and len(composed.config.stages) > 0


def compose_stages(whole: Composed) -> list[Stage]:
    """Every stage of the chain that ``whole``, the call as one configuration, asks for.

    Raises BadInput with everything that is wrong in any of them.
    """
    names = [str(name) for name in whole.config.stages]
    common, own, problems = _dealt(whole.overrides, names)
    problems = [*_chain_problems(names, whole), *problems]
    known = [name for name in dict.fromkeys(names) if name in locations.options("stage")]
    stages: list[Stage] = []
    composed: dict[str, Composed] = {}
    found: dict[str, list[Problem]] = {}
    for number, name in enumerate(known, start=1):
        try:
            composed[name] = compose([*common, f"stage={name}", "stages=[]", *own.get(name, ())])
            first = next(iter(composed.values()))
            if _takes(composed[name], whole) and (model := first.choices["model"]) != whole.choices["model"]:
                given = [f"stage={name}", "stages=[]", f"model={model}"]
                composed[name] = compose([*common, *given, *own.get(name, ())])
            stages.append(Stage(composed[name], load(composed[name]), name, number, len(names)))
        except BadInput as error:
            found[name] = error.problems
    problems += [*told_once(found, len(known)), *_model_problems(composed), *_in_two_parts(stages)]
    if problems:
        raise BadInput(list(dict.fromkeys(problems)))
    return stages


def _in_two_parts(stages: Sequence[Stage]) -> list[Problem]:
    """Stages whose model the next one could not start from, as its adapter cannot be merged."""
    return [
        Problem(
            f"strategy (stage {stage.name})",
            f"strategy={stage.spec.choices['strategy']} cannot be merged, so no stage can start from its model",
            "another strategy; this one in the last stage",
        )
        for stage in stages
        if stage.number < stage.of and not stage.spec.strategy.mergeable
    ]


def _takes(stage: Composed, whole: Composed) -> bool:
    """Whether a stage has no model of its own, but the one that any call has, so that it takes the first stage's."""
    return stage.choices["model"] == whole.choices["model"]


def told_once(found: Mapping[str, Sequence[Problem]], stages: int) -> list[Problem]:
    """The problems of ``stages`` stages by name: one that all of them have as it is, others with whose they are."""
    whose: dict[Problem, list[str]] = {}
    for name, problems in found.items():
        for problem in problems:
            whose.setdefault(problem, []).append(name)
    return [
        problem if len(names) == stages else dataclasses.replace(problem, where=_where(problem, names))
        for problem, names in whose.items()
    ]


def _where(problem: Problem, names: Sequence[str]) -> str:
    return f"{problem.where} (stage {', '.join(names)})"


def _dealt(
    overrides: Sequence[str], names: Sequence[str]
) -> tuple[list[str], dict[str, list[str]], list[Problem]]:
    """Overrides of every stage, those of one, and what is wrong with the form of these."""
    common: list[str] = []
    own: dict[str, list[str]] = {}
    problems = []
    for text in overrides:
        found = _OF_ONE.fullmatch(text)
        if text.lstrip("+~").partition("=")[0] in ("stages", "stage"):
            continue
        if not found:
            common.append(text)
        elif found["stage"] not in names:
            what = f"there is no stage {found['stage']!r} in this chain"
            problems.append(Problem(text, what, listing(names), nearest(found["stage"], names)))
        elif not found["rest"] or found["rest"].startswith("="):
            what, example = "which of its keys?", f"stage.{found['stage']}.trainer.max_epochs=3"
            problems.append(Problem(text, what, f"a key after the stage: {example}"))
        else:
            own.setdefault(found["stage"], []).append(found["sign"] + found["rest"])
    return common, own, problems


def _chain_problems(names: Sequence[str], whole: Composed) -> list[Problem]:
    """What is wrong with the chain as a whole."""
    available = list(locations.options("stage"))
    problems = [
        Problem("stages", f"{name!r} is no stage", listing(available), nearest(name, available))
        for name in dict.fromkeys(names)
        if name not in available
    ]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        problems.append(
            Problem("stages", f"{listing(twice)} is there twice", "a file conf/stage/NAME.yaml for each")
        )
    if chosen := whole.choices.get("stage"):
        problems.append(
            Problem(
                "stage",
                f"{chosen} is one stage, and stages=… a chain",
                "one of the two; or stage.NAME.KEY=VALUE",
            )
        )
    resume = whole.config.get("resume")
    if resume not in (None, "auto"):
        hint = f"auto, which finds what is finished and what was cut off; to end only that run, resume={resume} alone"
        problems.append(Problem("resume", f"{resume} is one run, and a chain is several", hint))
    return problems


def _model_problems(stages: Mapping[str, Composed]) -> list[Problem]:
    """A later stage has the model of the one before it, so it names no other."""
    problems = []
    for name in list(stages)[1:]:
        first, own = next(iter(stages.values())), stages[name]
        keys = ("model", *(f"model.{key}" for key in _START))
        known, here = ({key: _value(part, key) for key in keys} for part in (first, own))
        if differing := [key for key in keys if known[key] != here[key]]:
            key = differing[0]
            what = (
                f"{here[key]} cannot be chosen here: the stage starts from what the one before it has trained"
            )
            allowed = f"that of the first stage, {known[key]}"
            problems.append(Problem(f"{key} (stage {name})", what, allowed))
    return problems


def _value(composed: Composed, key: str) -> object:
    if "." not in key:
        return composed.choices.get(key)
    return OmegaConf.select(composed.config, key, throw_on_resolution_failure=False)
