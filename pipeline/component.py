"""How a component of a run declares its options: the class is its own schema."""

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic.dataclasses import dataclass

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def component(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen, keyword-only pydantic dataclass that refuses unknown keys.

    A yaml file names the class by ``_target_``; its other keys are the fields. Validation happens when a
    configuration is composed, so import anything heavy (torch, transformers, lightning) inside methods.
    """
    decorate: Callable[[type[Any]], Any] = dataclass(
        frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False)
    )
    return decorate(cls)


def _made(value: Any, info: ValidationInfo) -> Any:
    return (info.context or {}).get(value, value) if isinstance(value, str) else value


# Marks a component inside a component that is chosen as the option of a group is, by its ``_target_``:
# ``dict[str, Annotated[Source, CHOSEN]]``. It is made before its owner, who is validated with it.
CHOSEN = BeforeValidator(_made)
