"""The folder that PEFT loads: what was trained alone, and what it is for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.exporting.written import Written, copy_beside
from pipeline.models.loading import quiet
from pipeline.runs.verification import outputs

if TYPE_CHECKING:
    from pipeline.exporting.subject import Subject
    from pipeline.launch.inference import Trained

_CONFIG = "adapter_config.json"
# The base beside the adapter, as its configuration names it.
BASE = "base"


def problems(trained: Trained) -> Iterator[Problem]:
    """A strategy that has none, or one whose adapter is for other weights than the base's."""
    if trained.spec.strategy.quantises:
        what = "its adapter is for quantised weights, which the base does not have"
        yield Problem("format", what, "format=merged")
    if not (_adapter(trained) / _CONFIG).is_file():
        what = f"strategy={trained.spec.choices['strategy']} leaves no adapter that PEFT loads"
        whole = trained.spec.strategy.mergeable
        yield Problem("format", what, "format=huggingface" if whole else as_it_is(trained))


def as_it_is(trained: Trained) -> str:
    """What there is of a run in two parts, one of which neither PEFT nor transformers knows."""
    return f"{trained.run.model} as it is; the run's README.md says how it is loaded"


def write(subject: Subject, folder: Path) -> Written:
    """The adapter, the files of the run's model but for its weights, and the base in ``base`` unless it is on a hub.

    The base is saved with the run's head as it was before training, so that a loader has nothing to make up; the
    adapter brings the trained one. Raises BadInput where the base is nowhere any more.
    """
    trained = subject.trained
    copy_beside(trained.run.weights, folder)
    shutil.copytree(_adapter(trained), folder, dirs_exist_ok=True)
    config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    in_two_parts = trained.run.weights != trained.run.model
    located, hub = "" if in_two_parts else _located(trained), None if in_two_parts else hub_id(trained)
    if in_two_parts:
        # The run has saved its base already, with the head as it began.
        config |= {"base_model_name_or_path": BASE, "revision": None}
        shutil.copytree(trained.run.weights, folder / BASE)
    elif hub is not None:
        config |= {"base_model_name_or_path": hub, "revision": trained.prepared["checkpoint"]["commit"]}
    else:
        config |= {"base_model_name_or_path": BASE, "revision": None}
        with quiet():
            _base(trained, located).save_pretrained(folder / BASE)
    (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    expected = outputs(subject.model, subject.inputs)
    return Written("peft", subject.inputs, expected, base=located if hub else None)


def _adapter(trained: Trained) -> Path:
    return trained.run.model / "adapter"


def hub_id(trained: Trained) -> str | None:
    """The base's name on a hub; None where others cannot load it from there."""
    if trained.spec.model.added_tokens or trained.spec.model.from_scratch:
        return None  # What is there does not have them, or has other weights.
    name = trained.spec.model.checkpoint
    return name if trained.prepared["checkpoint"].get("commit") and not name.endswith(".gguf") else None


def _located(trained: Trained) -> str:
    """The folder of the base."""
    folder = trained.prepared["checkpoint"]["folder"]
    if Path(folder).is_dir():
        return folder
    if trained.spec.model.from_scratch:
        what = f"the architecture that the run began with is no longer in the cache ({folder})"
        raise BadInput(Problem("format", what, "format=merged"))
    return trained.spec.model.locate().folder


def _base(trained: Trained, folder: str) -> Any:
    import torch

    torch.manual_seed(trained.spec.seed)  # as the run began
    return trained.spec.task.load(trained.spec.model, folder, trained.head)[0]
