"""Loading weights with transformers: quietly, one at a time, in float32, with a report of what was not there."""

from __future__ import annotations

import contextlib
import inspect
import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing
from pipeline.models.origin import WHERE
from pipeline.models.weights import WHOLE, named_weights

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

Shape = tuple[int, ...]
# The option by which a model is loaded without memory.
ON_META = {"device_map": "meta"}
# While transformers loads, it takes `tie_weights` out of the class of all models. Two threads at once put back what the
# other had taken out: no tied weight of this process would ever be tied again, without a word.
_ALONE = threading.RLock()
# What transformers and torch stumble over where a configuration is not one of the architecture: an unknown activation
# is a KeyError, no attention heads are a division by zero, a size that is null is a TypeError.
_UNFIT = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError)


@dataclass(frozen=True)
class LoadReport:
    """What of a model did not come from its checkpoint, and what of the checkpoint was not used.

    initialised: weights that are random, because the checkpoint lacks them or has them in another shape.
    missing: those of them that belong to the backbone. Every checkpoint of the architecture should have them.
    mismatched: name, shape in the checkpoint, shape in the model.
    unexpected: weights of the checkpoint that the model has no place for, e.g. the head of its pretraining.
    """

    initialised: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, Shape, Shape], ...] = ()
    unexpected: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One line for each kind of weight that there is something to say of."""
        new = [name for name in self.initialised if name not in self.missing]
        mismatched = [f"{name} {list(there)} -> {list(here)}" for name, there, here in self.mismatched]
        kinds = {
            "newly initialised": new,
            "missing from the checkpoint's backbone, random now": self.missing,
            "of another shape in the checkpoint, newly initialised": mismatched,
            "in the checkpoint, not used": self.unexpected,
        }
        return [f"{kind}: {listing(names, most=8)}" for kind, names in kinds.items() if names] + list(
            self.notes
        )

    def noting(self, *notes: str) -> LoadReport:
        return replace(self, notes=(*self.notes, *notes))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Neither progress bars nor warnings of transformers; what matters of them is in the LoadReport. Other threads
    wait."""
    from transformers.utils import logging

    with _ALONE:
        verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity(logging.CRITICAL)
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if bars:
                logging.enable_progress_bar()


@contextlib.contextmanager
def _making(config: PretrainedConfig) -> Iterator[None]:
    """What goes wrong inside is said of the sizes in ``config``: BadInput. Quiet."""
    try:
        with quiet():
            yield
    except (ImportError, RuntimeError, *_UNFIT) as error:
        what = f"a model of {type(config).__name__} cannot be made: {_first_line(error)}"
        raise BadInput(Problem(WHERE, what)) from error


def on_meta(auto: Any, config: PretrainedConfig, **options: Any) -> PreTrainedModel:
    """The architecture without weights or memory. Raises BadInput for options or sizes that do not fit it."""
    import torch

    with _making(config), torch.device("meta"):
        # A few models make some weights on the CPU whatever the device (XLNet does).
        return auto.from_config(config, dtype=torch.float32, **options).to("meta")


def with_random_weights(auto: Any, config: PretrainedConfig, **options: Any) -> PreTrainedModel:
    """The architecture in float32 and in eval mode, with weights that depend on torch's seed alone. Raises BadInput for
    options or sizes that do not fit it."""
    import torch

    with _making(config):
        return auto.from_config(config, dtype=torch.float32, **options).eval()


def with_weights(
    auto: Any, folder: str, config: PretrainedConfig, **options: Any
) -> tuple[PreTrainedModel, LoadReport]:
    """The model in float32 and in eval mode. Random weights depend on torch's seed alone.

    Raises BadInput for weights that cannot be read as plain data, or are not those of this architecture.
    """
    with reading(folder):
        model, info = read(auto, folder, config, options)
        if _looked_for_another_name(model, info):
            _fill_backbone(model, info, folder, options)
    return model, report_of(model, info, folder)


@contextlib.contextmanager
def reading(folder: str) -> Iterator[None]:
    """What goes wrong inside is said of the weights in ``folder``: BadInput. Quiet."""
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except (pickle.UnpicklingError, EOFError, SafetensorError) as error:
        what = f"the weights in {folder} cannot be read: {_first_line(error)}"
        raise BadInput(Problem(WHERE, what, WHOLE)) from error
    except (OSError, ImportError, RuntimeError, *_UNFIT) as error:
        raise BadInput(
            Problem(WHERE, f"the model in {folder} cannot be loaded: {_first_line(error)}")
        ) from error


def read(auto: Any, folder: str, config: PretrainedConfig, options: dict[str, Any]) -> Any:
    """A model, and what transformers says of its loading: of ``ON_META`` the same, from names and shapes alone."""
    import torch
    from transformers.models.auto.auto_factory import _get_model_class

    kind: Any = auto
    source: str | None = folder
    if ON_META.items() <= options.items():
        # Without a folder, which an Auto class wants.
        kind, source = _get_model_class(config, auto._model_mapping), None
        options = {**options, "state_dict": named_weights(folder)}
    return kind.from_pretrained(
        source,
        config=config,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        local_files_only=True,
        trust_remote_code=False,
        weights_only=True,
        **options,
    )


def _looked_for_another_name(model: PreTrainedModel, info: dict[str, Any]) -> bool:
    """Whether nothing of the backbone was found because this head's class calls it otherwise than its architecture
    does: Llama's question answering has ``transformer`` in place of ``model``."""
    usual = bare_classes(model.config)
    if model.base_model is model or not usual:
        return False
    other = usual[0].base_model_prefix != model.base_model_prefix
    return other and _backbone_names(model) <= set(info["missing_keys"])


def bare_classes(config: PretrainedConfig) -> tuple[type[PreTrainedModel], ...]:
    """The classes that an architecture has without a head: one, as a rule; none of some."""
    from transformers import AutoModel

    mapping: Any = AutoModel._model_mapping
    found = mapping.get(type(config), ())
    return tuple(found) if isinstance(found, (list, tuple)) else (found,)


def _backbone_names(model: PreTrainedModel) -> set[str]:
    """Of the model's weights those that it has whatever its head is."""
    from transformers import AutoModel

    names, usual = set(model.state_dict()), bare_classes(model.config)
    if model.base_model is not model:
        return {name for name in names if name.startswith(f"{model.base_model_prefix}.")}
    if not usual or isinstance(model, usual):
        return names
    # Its backbone's parts lie beside its head, as those of T5 that answers questions or writes text.
    return names & set(on_meta(AutoModel, model.config).state_dict())


def _fill_backbone(
    model: PreTrainedModel, info: dict[str, Any], folder: str, options: dict[str, Any]
) -> None:
    """Load the backbone by itself and put it into ``model``; ``info`` then tells of both.

    Renaming while loading (``key_mapping``) would also rename what is saved, which then nothing else can load.
    """
    from transformers import AutoModel

    backbone, found = read(AutoModel, folder, model.config, options)
    model.base_model.load_state_dict(backbone.state_dict())
    prefix = f"{model.base_model_prefix}."
    heads = {name for name in info["missing_keys"] if not name.startswith(prefix)}
    info["missing_keys"] = heads | {f"{prefix}{name}" for name in found["missing_keys"]}
    info["mismatched_keys"] = [(f"{prefix}{name}", *shapes) for name, *shapes in found["mismatched_keys"]]
    info["unexpected_keys"] = found["unexpected_keys"]


def report_of(model: PreTrainedModel, info: dict[str, Any], folder: str) -> LoadReport:
    """What ``info``, transformers' own report, comes to. Raises BadInput for weights that are not the model's."""
    backbone = _backbone_names(model)
    mismatched = tuple(
        sorted((name, tuple(there), tuple(here)) for name, there, here in info["mismatched_keys"])
    )
    initialised = tuple(sorted({*info["missing_keys"], *(name for name, _, _ in mismatched)}))
    report = LoadReport(
        initialised=initialised,
        missing=tuple(name for name in initialised if name in backbone),
        mismatched=mismatched,
        unexpected=tuple(sorted(info["unexpected_keys"])),
    )
    # Random weights deep inside a pretrained model are never what anyone wants.
    wrong = [f"{n} {list(there)} instead of {list(here)}" for n, there, here in mismatched if n in backbone]
    if wrong:
        raise BadInput(Problem(WHERE, f"weights in {folder} do not fit its config.json: {listing(wrong, 5)}"))
    if backbone and backbone <= set(report.missing):
        what = (
            f"the weights in {folder} are not those of {type(model).__name__}: they have none of its backbone"
        )
        raise BadInput(Problem(WHERE, f"{what} (there are {listing(report.unexpected, 5)})"))
    if info["error_msgs"]:
        raise BadInput([Problem(WHERE, message) for message in info["error_msgs"]])
    return report


def max_positions(model: PreTrainedModel) -> int | None:
    """The longest input in tokens that the architecture can take; None: no limit. Works on the meta device.

    RoBERTa and its kin number positions from ``padding_idx + 1``, which shows in their position embedding.
    """
    from torch import nn

    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    for name, module in model.named_modules():
        if "position" in name and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            limit = min(limit, module.num_embeddings - module.padding_idx - 1)
    return limit


def accepted_inputs(model: PreTrainedModel) -> set[str]:
    """Names of the arguments of the model's forward pass."""
    return set(inspect.signature(model.forward).parameters)


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [""])[0]
    # That of a KeyError is the key alone.
    return f"{type(error).__name__}: {line}" if isinstance(error, KeyError) or not line else line
