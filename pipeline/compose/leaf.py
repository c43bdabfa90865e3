"""Parts made by other libraries: checked by name now, imported and built only when the run starts."""

import importlib
import inspect
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pipeline.errors import BadInput, Problem, listing, nearest


@dataclass(frozen=True)
class Leaf:
    """A class of another library with its keyword arguments. Nothing is imported before :meth:`check`.

    key: where it stands in the configuration, e.g. ``callbacks.timer``.
    target: dotted name of the class.
    """

    key: str
    target: str
    kwargs: dict[str, Any] = field(default_factory=dict)

    # The library's base class, and its module: what is named by `_target_` comes from there unless trusted.
    module: ClassVar[str]
    base: ClassVar[str]
    # Arguments that the program gives.
    given: ClassVar[tuple[str, ...]] = ()
    # Nothing is known of what it does, so it belongs to the run's identity.
    affects_result: ClassVar[bool] = True

    def check(self) -> None:
        """Import the class and compare its signature with the keys. Raises BadInput with every problem."""
        if problems := self._signature_problems(self._class()):
            raise BadInput(problems)

    def make(self, *args: Any) -> Any:
        """The object. Raises BadInput where the class refuses its arguments."""
        self.check()
        try:
            return self._class()(*args, **self.kwargs)
        except Exception as error:
            raise BadInput(Problem(self.key, f"{self.target} refuses its options: {error}")) from error

    def _class(self) -> type:
        module_name, _, name = self.target.rpartition(".")
        module = importlib.import_module(module_name)
        found = getattr(module, name, None)
        base_module, _, base_name = self.base.rpartition(".")
        base: type = getattr(importlib.import_module(base_module), base_name)
        classes = [
            n for n, value in vars(module).items() if isinstance(value, type) and issubclass(value, base)
        ]
        if not (isinstance(found, type) and issubclass(found, base)):
            what = (
                f"'{self.target}' is not a {base_name.lower()}"
                if found is not None
                else f"{module_name} has no '{name}'"
            )
            raise BadInput(
                Problem(f"{self.key}._target_", what, listing(sorted(classes)), nearest(name, classes))
            )
        return found

    def _signature_problems(self, cls: type) -> list[Problem]:
        parameters = inspect.signature(cls).parameters.values()
        named = [
            p
            for p in parameters
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in self.given
        ]
        names = [p.name for p in named]
        problems = [
            Problem(f"{self.key}.{p.name}", "must be set", f"an argument of {self.target}")
            for p in named
            if p.default is p.empty and p.name not in self.kwargs
        ]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            problems += [
                Problem(f"{self.key}.{key}", "unknown key", listing(names), nearest(key, names))
                for key in self.kwargs
                if key not in names
            ]
        return problems


class OptimizerLeaf(Leaf):
    """An optimizer of ``torch.optim`` (or a trusted module); stands in for an OptimizerSpec."""

    module, base, given = "torch.optim", "torch.optim.Optimizer", ("params",)

    @property
    def lr(self) -> float:
        return float(self.kwargs.get("lr", 1e-3))

    @property
    def weight_decay(self) -> float:
        return float(self.kwargs.get("weight_decay", 0.0))

    def build(self, groups: list[dict[str, Any]]) -> Any:
        """The optimizer over the strategy's parameter groups."""
        return self.make(groups)


class SchedulerLeaf(Leaf):
    """A scheduler of ``torch.optim.lr_scheduler``, stepped with the optimizer; stands in for its spec."""

    module, base, given = "torch.optim.lr_scheduler", "torch.optim.lr_scheduler.LRScheduler", ("optimizer",)

    def warmup(self, total_steps: int) -> int:
        return 0

    def build(self, optimizer: Any, total_steps: int, monitor: str, mode: str) -> list[dict[str, Any]]:
        """Lightning's scheduler configuration. ReduceLROnPlateau reads the monitored metric each epoch."""
        scheduler = self.make(optimizer)
        if type(scheduler).__name__ == "ReduceLROnPlateau":
            return [{"scheduler": scheduler, "interval": "epoch", "monitor": monitor}]
        return [{"scheduler": scheduler, "interval": "step"}]


class CallbackLeaf(Leaf):
    """A callback of Lightning (or a trusted module); stands in for a CallbackSpec."""

    module, base = "lightning.pytorch.callbacks", "lightning.pytorch.callbacks.Callback"

    def build(self, facts: Any) -> Any:
        return self.make()


class LoggerLeaf(Leaf):
    """A logger of Lightning (or a trusted module); stands in for a LoggerSpec."""

    module, base = "lightning.pytorch.loggers", "lightning.pytorch.loggers.Logger"
    affects_result = False

    def build(self, facts: Any) -> Any:
        return self.make()
