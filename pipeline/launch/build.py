"""The model, the data and the module of a run, built from its specification in each of its processes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pipeline.data.mixing import mixing
from pipeline.data.prepare import Prepared, load_splits
from pipeline.launch.machine import Machine, keep_attention
from pipeline.launch.schedule import Schedule
from pipeline.launch.trained_before import check_trained_before
from pipeline.launch.work import Work, rank
from pipeline.runs.directory import RunDirectory

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.data.module import TextData
    from pipeline.training.module import FineTuning
    from pipeline.training.sharding import Sharding


def build(run: RunDirectory, spec: RunSpec, prepared: Prepared, machine: Machine, plan: Schedule) -> Work:
    """Raises BadInput where the weights, the data and what is asked for do not go together."""
    from lightning.pytorch import seed_everything

    from pipeline.launch.features import frozen_part
    from pipeline.strategies.layers import all_layers
    from pipeline.training.compiling import compile_layers

    model, report = _model(run, spec, prepared, machine)
    splits = load_splits(prepared.folder, "encoded")
    tokenizer = spec.model.tokenizer(prepared.checkpoint["folder"])
    stand_ins, features = frozen_part(spec, prepared, machine, model, report, tokenizer, splits)
    if spec.hardware.compile and spec.train and not compile_layers(all_layers(model)) and rank() == 0:
        print("hardware.compile: nothing is compiled, no layer is trained", file=sys.stderr)
    seed_everything(spec.seed + rank(), verbose=False)
    data = _data(spec, prepared, machine, plan, tokenizer, splits, features)
    module = _module(spec, prepared, machine, plan, model, data, stand_ins)
    return Work(run, spec, prepared, machine, plan, module, data)


def _model(run: RunDirectory, spec: RunSpec, prepared: Prepared, machine: Machine) -> tuple[Any, Any]:
    """The adapted model, and what was found of its weights. New layers come from the seed alone: the same in every
    process."""
    from pipeline.training.recomputing import recompute_activations

    checkpoint = machine.checkpoint(spec.model)
    model, report = spec.task.load(checkpoint, prepared.checkpoint["folder"], prepared.head)
    if rank() == 0:
        keep_attention(run, machine, model)
    if rank() == 0 and not run.last_checkpoint.exists():  # whose weights replace the new ones
        for line in report.lines():
            print(f"weights: {line}", file=sys.stderr)
        run.update(weights=report.lines())
    if not spec.train:
        check_trained_before(model, report)
    model = spec.strategy.adapt(model)
    if spec.hardware.recompute and spec.train:
        recompute_activations(model, offload=spec.hardware.offloads(machine.accelerator))
    return model, report


def _data(
    spec: RunSpec,
    prepared: Prepared,
    machine: Machine,
    plan: Schedule,
    tokenizer: Any,
    splits: Any,
    features: Any,
) -> TextData:
    from pipeline.data.augmentation import changes
    from pipeline.data.module import TextData

    return TextData(
        splits,
        spec.task,
        tokenizer,
        spec.trainer,
        seed=spec.seed,
        micro_batch=machine.micro_batch,
        micro_tokens=machine.micro_tokens,
        workers=spec.hardware.workers,
        world_size=machine.world_size,
        rank=rank(),
        pin_memory=machine.accelerator == "gpu",
        raw=load_splits(prepared.folder, "raw"),
        changes=changes(spec.data.augmentation, tokenizer, spec.seed) if spec.train else None,
        stream=_stream(spec, prepared, plan, tokenizer),
        mixing=mixing(spec.data, prepared.segments),
        features=features,
    )


def _module(
    spec: RunSpec,
    prepared: Prepared,
    machine: Machine,
    plan: Schedule,
    model: Any,
    data: TextData,
    stand_ins: Any,
) -> FineTuning:
    from pipeline.launch.lazily import read_lazily
    from pipeline.strategies.base import trained_keys
    from pipeline.training.module import FineTuning

    # What is computed again in the backward pass, or compiled, is out of reach of both.
    reached = machine.accelerator == "cpu" and spec.hardware.without_quick_dropout is None
    return FineTuning(
        model,
        task=spec.task,
        strategy=spec.strategy,
        optimizer=spec.optimizer,
        scheduler=spec.scheduler,
        head=prepared.head,
        trained=trained_keys(model),
        total_steps=plan.total_steps,
        log_every=spec.trainer.log_every,
        monitor=plan.monitor,
        mode=plan.mode,
        validation_names=data.validation_names,
        mixup=_mixup(spec, model, data),
        stand_ins=stand_ins,
        quick_dropout=spec.trainer.quick_dropout and reached,
        sharding=_sharding(spec, model, machine),
        lazily=read_lazily(spec, model, machine, plan),
        attend_by_document=reached,
    )


def _sharding(spec: RunSpec, model: Any, machine: Machine) -> Sharding | None:
    """How the model is cut over processes, if it is."""
    from pipeline.strategies.layers import all_layers
    from pipeline.training.sharding import Sharding

    if spec.hardware.sharding == "none" or machine.world_size == 1 or not spec.train:
        return None
    return Sharding(all_layers(model), machine.precision)


def _stream(spec: RunSpec, prepared: Prepared, plan: Schedule, tokenizer: Any) -> Any:
    """The training rows, where they are streamed."""
    from pipeline.data.streaming.facts import StreamFacts
    from pipeline.data.streaming.training import TrainingStream

    source = spec.data.stream()
    if source is None or prepared.stream is None:
        return None
    facts = StreamFacts.of(prepared.stream)
    steps = None if facts.whole else plan.total_steps
    return TrainingStream(source, facts, spec.task, tokenizer, prepared.head, steps)


def _mixup(spec: RunSpec, model: Any, data: TextData) -> Any:
    """What mixes training examples, if they are to be. Raises BadInput for a model that cannot read what is mixed."""
    from pipeline.training.mixup import Mixup, check

    if not (spec.train and spec.data.augmentation.mixup):
        return None
    check(spec.task, model, data.collate(data.examples("train", 4))["inputs"])
    return Mixup(spec.data.augmentation.mixup, spec.seed)
