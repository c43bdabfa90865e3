"""What the tests of audits look at: rows that are encoded as a run's are, some with a fault."""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from datasets import Dataset, DatasetDict
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from pipeline.data.audit.audit import audit
from pipeline.data.audit.subject import Subject
from pipeline.sources.base import Source
from pipeline.tasks.base import Task
from pipeline.tasks.places import places_text
from pipeline.tasks.text_classification import TextClassification

Rows = list[dict[str, Any]]
Splits = dict[str, Rows]
WORDS = [
    *(
        "film",
        "plot",
        "actor",
        "scene",
        "music",
        "camera",
        "story",
        "ending",
        "hero",
        "cast",
        "script",
        "joke",
    ),
    *(
        "chase",
        "song",
        "light",
        "dialogue",
        "stage",
        "mood",
        "theme",
        "twist",
        "voice",
        "frame",
        "city",
        "river",
    ),
    *("summer", "night", "father", "sister", "teacher", "painter", "soldier", "doctor", "journey", "secret"),
]


@cache
def tokenizer_of(folder: str) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder)


def reviews(train: int = 200, validation: int = 40, test: int = 40) -> Splits:
    """Texts of 8 to 20 words, no two alike, whose class one word tells."""
    draw = random.Random(0)

    def row() -> dict[str, Any]:
        label, word = draw.choice([("good", "wonderful"), ("bad", "dreadful")])
        text = [*draw.choices(WORDS, k=draw.randint(8, 20)), word]
        draw.shuffle(text)
        return {"text": " ".join(text), "label": label}

    return {
        name: [row() for _ in range(count)]
        for name, count in (("train", train), ("validation", validation), ("test", test))
        if count
    }


def subject_of(
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
    folder: Any,
    task: Task | None = None,
    source: Source | None = None,
) -> Subject:
    """Rows encoded by a task with the tokenizer in a folder."""
    task, tokenizer = task or TextClassification(), tokenizer_of(str(folder))
    raw = DatasetDict({name: Dataset.from_list([dict(row) for row in rows]) for name, rows in splits.items()})
    head = task.learn(raw, AutoConfig.from_pretrained(folder))
    encoded = {
        name: rows.map(
            lambda batch, numbers: _numbered(task.encode(batch, tokenizer, head), numbers),
            batched=True,
            with_indices=True,
            remove_columns=rows.column_names,
        )
        for name, rows in raw.items()
    }
    return Subject(task, head, tokenizer, source or Source(), raw, encoded)


def _numbered(features: dict[str, Any], numbers: Sequence[int]) -> dict[str, Any]:
    rows = [numbers[place] for place in features["row"]] if "row" in features else list(numbers)
    return {**features, "row": rows}


def findings(subject: Subject) -> list[dict[str, Any]]:
    return audit(subject, places_text)["findings"]
