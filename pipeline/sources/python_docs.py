"""English prose that every machine with Python has: the chapters that its ``help()`` shows.

{"topic": "assert", "text": "The \"assert\" statement …"}

Python's language reference, as plain text in the standard library's `pydoc_data.topics`; no network is needed. The
text is that of the Python in use, so its version is part of the data's identity.
"""

import hashlib
import json
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.sources.base import Source, Split

if TYPE_CHECKING:
    from datasets import DatasetDict


@component
class PythonDocs(Source):
    """About 80 chapters in half a million characters, each a document."""

    split: Split = Field(default_factory=lambda: Split(validation=0.1, test=0.1))

    licence: ClassVar[str] = "PSF-2.0"

    def load(self) -> "DatasetDict":
        from datasets import Dataset, DatasetDict

        rows = [{"topic": topic, "text": text.strip()} for topic, text in sorted(_topics().items())]
        return DatasetDict({"train": Dataset.from_list(rows)})

    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(_topics(), sort_keys=True).encode()).hexdigest()

    def describe(self) -> dict[str, str]:
        return {"source": "pydoc_data.topics of the Python in use", "licence": self.licence}


def _topics() -> dict[str, str]:
    from pydoc_data.topics import topics

    return topics
