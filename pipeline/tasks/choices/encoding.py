"""Rows with choices to token numbers: the context with each of the choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from pipeline.tasks.choices.rows import Choices, LabelKind, choices_of, right_choice, text_fault
from pipeline.tasks.encoding import encode_texts
from pipeline.tasks.faults import FaultError, FaultsOfBatch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def read_rows(
    rows: Mapping[str, list[Any]], columns: Sequence[str] | None, label_is: LabelKind
) -> tuple[list[Choices], list[int] | None]:
    """The choices of each row, and the number of the right one where the rows have labels.

    Raises BadInput with everything that is wrong.
    """
    faults, all_choices, labels = FaultsOfBatch(), [], []
    for name in ("context", "question"):
        for cell in rows.get(name, ()):
            if fault := text_fault(name, cell):
                faults.add(name, fault)
    for i, choices in enumerate(choices_of(rows, columns)):
        if isinstance(choices, FaultError):
            faults.add(columns[0] if columns else "choices", choices)
            continue
        all_choices.append(choices)
        if "label" in rows:
            try:
                labels.append(right_choice(rows["label"][i], choices, label_is))
            except FaultError as fault:
                faults.add("label", fault)
    faults.raise_any()
    return all_choices, labels if "label" in rows else None


def encode_choices(
    contexts: Sequence[str],
    questions: Sequence[str | None] | None,
    choices: Sequence[Choices],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int | None,
    default_length: int,
) -> dict[str, list[Any]]:
    """Features of rows: of each what the tokenizer makes of its context and each choice, the tokens of all of them
    (``length``), and whether any was cut (``truncated``)."""
    # Some tokenizers put nothing between two texts, which would make one word of two.
    parted = tokenizer.num_special_tokens_to_add(pair=True) > tokenizer.num_special_tokens_to_add(pair=False)
    before = [f"{question} " if question else "" for question in questions or [None] * len(contexts)]
    counts = [len(each.texts) for each in choices]
    first = [context for context, count in zip(contexts, counts, strict=True) for _ in range(count)]
    second = [
        f"{'' if parted else ' '}{start}{text}"
        for start, each in zip(before, choices, strict=True)
        for text in each.texts
    ]
    single = encode_texts(first, second, tokenizer, max_length, default_length)
    ends = list(accumulate(counts, initial=0))

    def grouped(values: list[Any]) -> list[list[Any]]:
        return [values[start:end] for start, end in pairwise(ends)]

    features: dict[str, list[Any]] = {name: grouped(values) for name, values in single.items()}
    features["length"] = [sum(lengths) for lengths in features["length"]]
    features["truncated"] = [any(cut) for cut in features["truncated"]]
    return features
