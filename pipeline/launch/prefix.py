"""Whether what a strategy leaves frozen is computed once: what is stored of it, how much that is, or why it is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.features import places, texts_of
from pipeline.fetch.cache import cache_folder, entry
from pipeline.runs.identity import digest
from pipeline.strategies.base import Strategy
from pipeline.strategies.cuts import Cut, OutputOf, cut_of

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.data.prepare import Prepared
    from pipeline.launch.hardware import Hardware

GIB = 2**30
# Of the budget that `hardware.feature_cache: auto` stands for: at most this, and at most this share of the free disk.
_MOST, _SHARE = 20 * GIB, 0.5
# Rows that are looked at to find what a head reads; changes when what older versions found must not be read any more.
_ROWS, _FORMAT = 64, 1
# What models raise where they are not as others are.
ODD = (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError, NotImplementedError)


@dataclass(frozen=True)
class FrozenPrefix:
    """What a run's frozen part hands on, and whether it is stored.

    cut: where it ends. why_not: why it is computed in every epoch; empty where it is not. splits: those that it is
    stored of. vectors: their number; width: numbers of each. budget: bytes.
    """

    cut: Cut | None = None
    why_not: str = ""
    splits: tuple[str, ...] = ()
    vectors: int = 0
    width: int = 0
    budget: int = 0

    @property
    def size(self) -> int:
        """Bytes on disk, in float32."""
        return 4 * self.vectors * self.width

    def text(self) -> str:
        """A line of the plan."""
        if self.cut is None or self.why_not:
            return f"computed in every epoch: {self.why_not}"
        of = ", ".join(self.splits)
        size = f"{_bytes(self.size)} of the {_bytes(self.budget)} that hardware.feature_cache allows"
        return f"computed once, then read from the cache: {self.cut.text()} ({of}); {size}"


def look(spec: RunSpec, prepared: Prepared) -> FrozenPrefix | None:
    """None where the strategy leaves no part of the model frozen that could be computed once."""
    if not spec.train or type(spec.strategy).frozen_prefix is Strategy.frozen_prefix:
        return None
    if why_not := next(_reasons(spec, prepared), None):
        return FrozenPrefix(why_not=why_not)
    found = _found(spec, prepared)
    if "cut" not in found:
        return FrozenPrefix(why_not=found["why_not"]) if found["why_not"] else None
    cut = cut_of(found["cut"])
    # While a decoder writes, it reads what is not stored.
    writes = spec.task.writes_when_scored and not cut.generates
    splits = ("train",) if writes else tuple(prepared.examples)
    counted = prepared.tokens if cut.read == "all" else prepared.examples
    prefix = FrozenPrefix(
        cut=cut,
        splits=splits,
        vectors=sum(counted[split] for split in splits),
        width=found["width"],
        budget=_budget(spec.hardware),
    )
    if prefix.size > prefix.budget:
        what = f"it would take {_bytes(prefix.size)} on disk, and hardware.feature_cache allows {_bytes(prefix.budget)}"
        return replace(prefix, why_not=what)
    return prefix


def _reasons(spec: RunSpec, prepared: Prepared) -> Iterator[str]:
    """Why the same example would not give the same every time, or must not be stored: what each part says of itself."""
    if spec.hardware.feature_cache == "off":
        yield "hardware.feature_cache=off"
    if spec.hardware.sharding != "none":
        yield "the model is cut over processes (hardware.sharding)"
    if prepared.stream is not None:
        yield "training rows are streamed (data.streaming), not stored"
    for part in (spec.data.augmentation, spec.task):
        if why := part.inputs_vary():
            yield why


def _found(spec: RunSpec, prepared: Prepared) -> dict[str, Any]:
    """``cut`` and ``width``, or ``why_not``; found once for a model, strategy and data."""
    fingerprint = prepared.checkpoint["fingerprint"]
    key = [_FORMAT, Path(prepared.folder).name, spec.task, spec.strategy, spec.model, fingerprint]

    def build(target: Path) -> None:
        target.write_text(json.dumps(_find(spec, prepared)))

    return json.loads(entry("cuts", digest(key), build).read_text())


def _find(spec: RunSpec, prepared: Prepared) -> dict[str, Any]:
    folder = prepared.checkpoint["folder"]
    model: Any = spec.task.load(spec.model, folder, prepared.head, meta=True)[0]
    model = spec.strategy.adapt(model)
    cut = spec.strategy.frozen_prefix(model)
    if cut is None or isinstance(cut, str):
        return {"why_not": cut or ""}
    kind = type(model).__name__
    width = getattr(model.config.get_text_config(), "hidden_size", None)
    if width is None:
        return {"why_not": f"{kind} does not say how wide its hidden states are"}
    if isinstance(cut, OutputOf) and not cut.field:
        try:
            cut = _what_is_read(spec, prepared, model, cut, width)
        except ODD as error:
            return {"why_not": f"what the head of {kind} reads cannot be found out: {error}"}
        if cut is None:
            return {
                "why_not": f"the head of {kind} reads more of its backbone than hidden states or a pooled one"
            }
    return {"cut": asdict(cut), "width": width}


def _what_is_read(
    spec: RunSpec, prepared: Prepared, model: Any, cut: OutputOf, width: int
) -> OutputOf | None:
    import torch

    from pipeline.data.prepare import load_splits
    from pipeline.strategies.stand_ins import what_is_read

    tokenizer = spec.model.tokenizer(prepared.checkpoint["folder"])
    encoded = load_splits(prepared.folder, "encoded")["train"]
    rows = spread(list(encoded.take(min(_ROWS, len(encoded)))))
    batch = spec.task.collate(rows, tokenizer)
    real = torch.from_numpy(tokens_in(batch["input_ids"], rows)[0])
    return what_is_read(model, cut, spec.task.forward_inputs(batch), real, width)


def spread(rows: Sequence[Any], count: int = 4) -> list[Any]:
    """A few of the encoded rows, from the longest to the shortest."""
    ordered = sorted(rows, key=lambda row: -row["length"])
    last = len(ordered) - 1
    return [ordered[place] for place in sorted({round(i * last / (count - 1)) for i in range(count)})]


def tokens_in(input_ids: Any, rows: Sequence[Any]) -> tuple[Any, str]:
    """Where the tokens of encoded rows stand in their padded batch, (texts, tokens) bool, and the side that is padded.
    Raises ValueError where the batch holds other tokens than the rows."""
    ids = input_ids.reshape(-1, input_ids.shape[-1]).numpy()
    texts = [text for row in rows for text in texts_of(row)]
    for side in ("right", "left"):
        there = places([len(text) for text in texts], ids.shape[1], side)
        if len(texts) == len(ids) and all(
            list(line[found]) == list(text) for line, found, text in zip(ids, there, texts, strict=True)
        ):
            return there, side
    raise ValueError("the model reads other tokens than the encoded rows have")


def _budget(hardware: Hardware) -> int:
    """Bytes that what is stored may take."""
    if isinstance(hardware.feature_cache, (int, float)):
        return int(hardware.feature_cache * GIB)
    folder = cache_folder()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return int(min(_MOST, _SHARE * shutil.disk_usage(there).free))


def _bytes(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.1f} MiB"
