"""A number for the content of every row, by which equal rows are found: 33 bytes a row on disk, whatever its length."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.audit.parts import on_disk
from pipeline.data.audit.subject import text_of

if TYPE_CHECKING:
    from pipeline.data.audit.subject import Subject

# What sentences are divided and quoted with. Signs of arithmetic and code stay: 3 - 5 is another text than 3 + 5.
_PUNCTUATION = re.compile(r"""[.,;:!?"'“”‘’„«»()\[\]{}…·、。，！？；：（）《》「」]+""")
_BETWEEN = "\x1f"


@dataclass(frozen=True)
class Keys:
    """Of every row of a split.

    loose: hash of its text without regard to case, punctuation and whitespace. strict: without regard to whitespace.
    target: hash of its targets. size: bytes of its text in UTF-8. blank: whether a text of it is empty.
    Two of a million different rows have the same hash with a probability of 3e-8.
    """

    loose: np.ndarray
    strict: np.ndarray
    target: np.ndarray
    size: np.ndarray
    blank: np.ndarray


def keys_of(subject: Subject, split: str) -> Keys:
    rows, roles = len(subject.raw[split]), subject.roles
    loose, strict, target = (on_disk(rows, np.uint64) for _ in range(3))
    size, blank = on_disk(rows, np.int64), on_disk(rows, bool)
    needed = [role for role in roles if not subject.task.columns[role].may_be_empty]
    for row, cells in enumerate(subject.rows(split, [*roles, *subject.targets])):
        texts = [text_of(cell) for cell in cells[: len(roles)]]
        targets = cells[len(roles) :]
        plain = _BETWEEN.join(" ".join(text.split()) for text in texts)
        key = _BETWEEN.join(map(loosened, texts))
        loose[row], strict[row] = _hash(key), _hash(plain)
        target[row] = _hash(repr(targets)) if targets else 0
        size[row] = len(key.encode(errors="replace")) + sum(len(text_of(cell)) for cell in targets)
        empty = [
            role
            for role, cell in zip(roles, cells, strict=False)
            if isinstance(cell, str) and not cell.strip()
        ]
        blank[row] = not plain.replace(_BETWEEN, "") or any(role in needed for role in empty)
    return Keys(loose, strict, target, size, blank)


def loosened(text: str) -> str:
    """A text as it is compared: NFKC, without case, punctuation and whitespace; itself where nothing else is in it."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(_PUNCTUATION.sub(" ", text.casefold()).split()) or " ".join(text.split())


def _hash(text: Any) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
