"""Computes what the frozen part of a run's model hands on, once for every split, and reads it again."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline.data.features import Features, FeatureWriter, chosen, padded
from pipeline.data.module import Numbered, lengths_of
from pipeline.data.waiting import Waiting
from pipeline.fetch.cache import entry
from pipeline.launch.prefix import ODD, FrozenPrefix, look, spread, tokens_in
from pipeline.launch.world import world
from pipeline.runs.identity import digest

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from pipeline.compose.run_spec import RunSpec
    from pipeline.data.prepare import Prepared
    from pipeline.launch.machine import Machine
    from pipeline.models.loading import LoadReport
    from pipeline.strategies.stand_ins import StandIns

# Changes when what older versions stored must not be read any more.
_FORMAT = 2
# Tokens of a batch, padding included: what a CPU is fastest with, and a GPU has room for.
_TOKENS = {"cpu": 4_096}
_TOKENS_ELSEWHERE = 65_536
# What given hidden states may change of the outputs, as a share of the largest: nothing but the last bits.
_TOLERANCE = 1e-4
_LOOKED_AT = 64


class Unlike(RuntimeError):
    """The model computes something else where it is given what was stored."""


@dataclass(frozen=True)
class Store:
    """The features of one run's splits.

    model: adapted, on the CPU. initialised: its weights that did not come from the checkpoint.
    """

    spec: RunSpec
    prepared: Prepared
    machine: Machine
    prefix: FrozenPrefix
    model: Any
    initialised: tuple[str, ...]
    tokenizer: PreTrainedTokenizerBase
    stand_ins: StandIns
    device: torch.device

    def of(self, splits: Mapping[str, Dataset]) -> dict[str, Features]:
        """Split -> its features, computed where the cache has none. None at all, and a line on stderr, where the model
        would compute something else with them."""
        wanted = {name: rows for name, rows in splits.items() if name in self.prefix.splits}
        self.model.eval()
        try:
            found = {name: self._of(name, rows) for name, rows in wanted.items()}
        except Unlike as error:
            print(f"frozen prefix: computed in every epoch: {error}", file=sys.stderr)
            return {}
        finally:
            self.model.cpu()
        self.stand_ins.returned = next((each.facts["returned"] for each in found.values()), None)
        return found

    def _of(self, split: str, rows: Dataset) -> Features:
        def build(folder: Path) -> None:
            folder.mkdir()
            self._write(folder, split, rows)

        key = self._key(split)
        path = entry("features", key, build)
        if (path / "unlike.json").exists():
            raise Unlike(json.loads((path / "unlike.json").read_text()))
        try:
            return Features(path)
        except ValueError as error:
            print(f"frozen prefix: {error}; it is computed again", file=sys.stderr)
            shutil.rmtree(path)
            return Features(entry("features", key, build))

    def _key(self, split: str) -> str:
        """The content address: checkpoint, encoding, padding, depth, precision."""
        model, frozen = self.spec.model, {n for n, p in self.model.named_parameters() if not p.requires_grad}
        drawn = model.from_scratch or frozen & set(self.initialised)
        return digest(
            [
                _FORMAT,
                self.prepared.checkpoint["fingerprint"],
                type(self.model).__name__,
                model.attention,
                Path(self.prepared.folder).name,
                # Where positions count from the first token, padding included, they depend on it.
                self.tokenizer.padding_side,
                split,
                vars(self.prefix.cut),
                [self.machine.accelerator, self.machine.precision],
                # Random weights depend on it.
                self.spec.seed if drawn else None,
            ]
        )

    def _write(self, folder: Path, split: str, rows: Dataset) -> None:
        assert self.prefix.cut is not None
        task, numbered = self.spec.task, Numbered(rows)
        self.model.to(self.device)
        try:
            side = self._check(spread(numbered.__getitems__(list(range(min(_LOOKED_AT, len(rows)))))))
        except Unlike as error:
            (folder / "unlike.json").write_text(json.dumps(str(error)))
            return
        read, writer = self.prefix.cut.read, None
        counts = _counts(rows, read)
        with Waiting(f"frozen prefix of {split}", len(rows), "examples") as waiting:
            for numbers in _batches(rows, _TOKENS.get(self.machine.accelerator, _TOKENS_ELSEWHERE)):
                examples = numbered.__getitems__(numbers)
                batch = task.collate(examples, self.tokenizer)
                vectors = _read(self._record(batch), batch["input_ids"], examples, read)
                if writer is None:
                    dtype = str(vectors.dtype).removeprefix("torch.")
                    writer = FeatureWriter(folder, counts, vectors.shape[-1], dtype)
                for number, own in zip(numbers, vectors.split(counts[numbers].tolist()), strict=True):
                    writer.put(number, own)
                waiting.advance(len(numbers))
        assert writer is not None
        writer.close({"read": read, "side": side, "returned": self.stand_ins.returned})

    def _record(self, batch: Mapping[str, Tensor]) -> Tensor:
        inputs = {k: v.to(self.device) for k, v in self.spec.task.forward_inputs(batch).items()}
        with self.machine.inference():
            return self.stand_ins.record(self.model, inputs).cpu()

    def _check(self, examples: list[dict[str, Any]]) -> str:
        """That the model computes the same from what is stored, on a few examples; the side that is padded. Raises
        Unlike."""
        assert self.prefix.cut is not None
        batch, read = self.spec.task.collate(examples, self.tokenizer), self.prefix.cut.read
        kind = type(self.model).__name__
        try:
            real, side = tokens_in(batch["input_ids"], examples)
            there = torch.from_numpy(real)
            vectors = _read(self._record(batch), batch["input_ids"], examples, read)
            inputs = {k: v.to(self.device) for k, v in self.spec.task.forward_inputs(batch).items()}
            with self.machine.inference():
                expected = self.model(**inputs)
                with self.stand_ins.given(padded(vectors, there, read).to(self.device)):
                    found = self.model(**inputs)
        except ODD as error:
            raise Unlike(f"{kind} cannot be given what is stored: {error}") from error
        difference = _difference(expected, found, there)
        if not difference <= _TOLERANCE:
            raise Unlike(
                f"{kind} computes something else from what is stored (by {difference:.1e} of its outputs)"
            )
        return side


def compute(spec: RunSpec, prepared: Prepared, machine: Machine) -> None:
    """What a run with this configuration would store before its first step."""
    from lightning.pytorch import seed_everything

    from pipeline.data.prepare import load_splits

    folder = prepared.checkpoint["folder"]
    torch.set_num_threads(machine.threads)
    seed_everything(spec.seed, verbose=False)
    model, report = spec.task.load(spec.model, folder, prepared.head)
    model, tokenizer = spec.strategy.adapt(model), spec.model.tokenizer(folder)
    frozen_part(spec, prepared, machine, model, report, tokenizer, load_splits(prepared.folder, "encoded"))


def frozen_part(
    spec: RunSpec,
    prepared: Prepared,
    machine: Machine,
    model: Any,
    report: LoadReport,
    tokenizer: PreTrainedTokenizerBase,
    splits: Mapping[str, Dataset],
) -> tuple[StandIns | None, dict[str, Features]]:
    """What stands in for the frozen part of an adapted model, and what it hands on for each split; None and nothing
    where that is to be computed in every epoch."""
    prefix = look(spec, prepared)
    if prefix is None or prefix.cut is None or prefix.why_not:
        return None, {}
    stand_ins = prefix.cut.stand_ins(model)
    gpu = f"cuda:{world().local_rank}"
    device = torch.device(gpu if machine.accelerator == "gpu" else machine.accelerator)
    store = Store(spec, prepared, machine, prefix, model, report.initialised, tokenizer, stand_ins, device)
    features = store.of(splits)
    if not features:
        stand_ins.restore()
        return None, {}
    if features.keys() == splits.keys() and machine.world_size == 1:
        stand_ins.stay()
    return stand_ins, features


def _difference(expected: Any, found: Any, real: Tensor) -> float:
    """The largest one, as a share of the largest output; nan where there is nothing to compare. Padding is not."""
    worst, compared = 0.0, False
    for name in ("logits", "start_logits", "end_logits", "prediction_logits", "last_hidden_state"):
        if expected.get(name) is None:
            continue
        one, other = expected[name].float().cpu(), found[name].float().cpu()
        if one.shape[:2] == real.shape:
            one, other = one[real], other[real]
        worst = max(worst, float((one - other).abs().max() / one.abs().max().clamp(min=1e-6)))
        compared = True
    return worst if compared else float("nan")


def _read(handed_on: Tensor, input_ids: Tensor, examples: list[dict[str, Any]], read: str) -> Tensor:
    """(vectors, width): of a recorded batch what is stored."""
    if read == "text":
        return handed_on
    there = torch.from_numpy(tokens_in(input_ids, examples)[0])
    if handed_on.shape[:2] != there.shape:
        raise ValueError(f"hands on {list(handed_on.shape)} for {list(there.shape)} tokens")
    return handed_on[chosen(there, read)]


def _counts(rows: Dataset, read: str) -> np.ndarray:
    """The number of vectors of each example: its texts, or all their tokens. Only lengths are held in memory."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = [np.zeros(0, dtype=np.int64)]
    for chunk in rows.data.column("input_ids").chunks:
        lengths = pc.list_value_length(chunk).to_numpy(zero_copy_only=False).astype(np.int64)
        if not pa.types.is_list(chunk.type.value_type):
            found.append(lengths if read == "all" else np.ones_like(lengths))
        elif read != "all":
            found.append(lengths)
        else:
            tokens = pc.list_value_length(chunk.flatten()).to_numpy(zero_copy_only=False).astype(np.int64)
            total, ends = np.concatenate([[0], np.cumsum(tokens)]), np.cumsum(lengths)
            found.append(total[ends] - total[ends - lengths])
    return np.concatenate(found)


def _batches(rows: Dataset, tokens: int) -> Iterator[list[int]]:
    """Numbers of examples of similar length, longest first, as many as make so many tokens."""
    lengths = lengths_of(rows)
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + size].tolist()
        start += size
