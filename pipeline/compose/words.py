"""What a field of a component accepts, in plain words."""

import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAliasType, Union, get_args, get_origin  # type: ignore[attr-defined]
