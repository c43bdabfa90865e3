"""Documents as language models read them: their texts, and what a tokenizer puts around one."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.data.cells import numbered
from pipeline.errors import BadInput, Problem
from pipeline.tasks.places import row_problem

if TYPE_CHECKING:
    from datasets import DatasetDict
    from transformers import PreTrainedTokenizerBase

ROLE = "data.columns.text"


def count_documents(data: DatasetDict) -> dict[str, dict[str, int]]:
    """``documents`` and ``empty`` ones of every split.

    Raises BadInput for rows that hold no text, and for splits in which there is none at all.
    """
    problems, documents, empty = [], {}, {}
    wrong: dict[str, Sequence[int]] = {}
    for split, rows in data.items():
        numbers, empty[split] = array("I"), 0
        for number, text in numbered(rows, "text"):
            if not isinstance(text, str):
                numbers.append(number)
            else:
                empty[split] += not text.strip()
        documents[split] = len(rows) - len(numbers) - empty[split]
        if numbers:
            wrong[split] = numbers
        elif not documents[split]:
            problems.append(Problem(f"data ({split} split)", "has no text in any row", "documents with text"))
    if wrong:
        problems.append(row_problem(ROLE, "is no text", wrong, data, "a text in every row", between=" in "))
    if problems:
        raise BadInput(problems)
    return {"documents": documents, "empty": empty}


def describe_documents(facts: Mapping[str, Mapping[str, int]]) -> str:
    empty = sum(facts["empty"].values())
    counts = ", ".join(f"{count:,} {split}" for split, count in facts["documents"].items())
    return counts + (f"; {empty:,} rows without text are passed over" if empty else "")


def texts_of(column: Sequence[Any]) -> list[str]:
    """The rows' texts. Raises BadInput where one is none."""
    for text in column:
        if not isinstance(text, str):
            raise BadInput(Problem(ROLE, f"no text, but {text!r:.40}", "a text in every row"))
    return list(column)


def around(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The special tokens that the tokenizer puts before and behind a text."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    start = next(i for i in range(len(whole)) if whole[i : i + len(plain)] == plain)
    return whole[:start], whole[start + len(plain) :]


def start_of_text(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What a document begins with for a model that reads from left to right, so that its first word is predicted too:
    what the tokenizer puts there, else its token for the beginning, else that for the end of a text (as GPT-2 was
    trained)."""
    found = around(tokenizer)[0]
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return found or ([begin] if begin is not None else [])


def end_of_text(tokenizer: PreTrainedTokenizerBase) -> int:
    """Raises BadInput for a tokenizer that has no token for the end of a text."""
    known = (tokenizer.eos_token_id, tokenizer.sep_token_id)
    for token in known:
        if token is not None:
            return token
    what = f"{type(tokenizer).__name__} has no token for the end of a text"
    raise BadInput(
        Problem("model.checkpoint", what, "a tokenizer with an eos_token in its tokenizer_config.json")
    )
