"""Questions with windows over their contexts, and where in them the answers are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import BadInput, Problem
from pipeline.tasks.spans.answers import Answer
from pipeline.tasks.token_loss import IGNORED
from pipeline.tasks.windows import cut_behind, overlap

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Tokens of the context that every window holds at least.
_LEAST_CONTEXT = 2
# A question may take more tokens than were kept of it: the newline, and a word that is cut otherwise once its end is
# gone.
_SPARE = 2
# Where a window says that the answer is not in it.
NullToken = Literal["class", "last", "added"]


def null_token(tokenizer: PreTrainedTokenizerBase) -> NullToken:
    """Which token stands for "no answer".

    The one that stands for the whole text, where the tokenizer makes one (BERT's at the start, XLNet's at the end).
    Otherwise the last one, which in a decoder-only model alone has seen question and context: the one that ends
    the text, where the tokenizer makes one (T5), or else an end of text that is added (GPT-2, Llama).
    """
    ids = tokenizer("a", "a")["input_ids"]
    if tokenizer.cls_token_id is not None and tokenizer.cls_token_id in ids:
        return "class"
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    return "last" if ids[-1:] != bare[-1:] and ids[-1] in tokenizer.all_special_ids else "added"


def cut_questions(
    questions: Sequence[str], tokenizer: PreTrainedTokenizerBase, most: int
) -> tuple[list[str], list[bool]]:
    """Questions of at most ``most`` tokens, and which of them were longer."""
    with cut_behind(tokenizer):
        encoded = tokenizer(
            list(questions),
            truncation=True,
            max_length=most,
            add_special_tokens=False,
            return_offsets_mapping=True,
            verbose=False,
        )
    # Between texts that nothing else divides.
    apart = "" if tokenizer.num_special_tokens_to_add(pair=True) else "\n"
    cut, longer = [], []
    for question, offsets, encoding in zip(
        questions, encoded["offset_mapping"], encoded.encodings, strict=True
    ):
        longer.append(bool(encoding.overflowing))
        question = question[: offsets[-1][1]] if longer[-1] and offsets else question.strip()
        cut.append(question + apart)
    return cut, longer


def _longest_question(asked: int | None, room: int, limit: int) -> int:
    """Tokens that a question may take of the ``room`` of a window. Raises BadInput where nothing would be left."""
    most = room - _SPARE - _LEAST_CONTEXT
    if most < 1:
        least = limit - most + 1
        raise BadInput(
            Problem("task.max_length", f"{limit} leaves no room for a context", f"{least} or more")
        )
    if asked is not None and asked > most:
        what = f"{asked} of {limit} tokens leaves no room for the context"
        raise BadInput(Problem("task.max_question_length", what, f"1 to {most}, or a larger task.max_length"))
    return asked or min(room // 2, most)


def windows(
    questions: Sequence[str],
    contexts: Sequence[str],
    answers: Sequence[Sequence[Answer]] | None,
    tokenizer: PreTrainedTokenizerBase,
    *,
    limit: int,
    stride: int | None,
    default_stride: int,
    longest_question: int | None,
) -> dict[str, list[Any]]:
    """The features of rows, as :meth:`pipeline.tasks.question_answering.QuestionAnswering.encode` says.

    answers: of each row; None where they are not known. limit: tokens of a window, with special ones.
    """
    null = null_token(tokenizer)
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.pad_token_id
    added = [end] if null == "added" else []
    room = limit - tokenizer.num_special_tokens_to_add(pair=True) - len(added)
    most = _longest_question(longest_question, room, limit)
    questions, longer = cut_questions(questions, tokenizer, most)
    stride = overlap(stride, room - most - _SPARE, default_stride)
    with cut_behind(tokenizer):
        encoded = tokenizer(
            questions,
            list(contexts),
            truncation="only_second",
            max_length=limit - len(added),
            stride=stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
    names = [name for name in tokenizer.model_input_names if name in encoded]
    extra = ("length", "truncated", "row", "null", "context", "starts", "ends")
    features: dict[str, list[Any]] = {name: [] for name in (*names, *extra)}
    for number, row in enumerate(encoded["overflow_to_sample_mapping"]):
        for name in names:
            values = encoded[name][number]
            features[name].append(values + (added if name == "input_ids" else values[-1:] * len(added)))
        ids, parts = features["input_ids"][-1], encoded.sequence_ids(number)
        context = [place for place, part in enumerate(parts) if part == 1]
        offsets = [encoded["offset_mapping"][number][place] for place in context]
        features["length"].append(len(ids))
        features["truncated"].append(longer[row])
        features["row"].append(row)
        features["null"].append(
            next(i for i, part in enumerate(parts) if part is None and ids[i] == tokenizer.cls_token_id)
            if null == "class"
            else len(ids) - 1
        )
        features["context"].append(context[0] if context else len(ids))
        features["starts"].append([start for start, _ in offsets])
        features["ends"].append([end for _, end in offsets])
    if answers is not None:
        _aim(features, answers)
    return features


def _aim(features: dict[str, list[Any]], answers: Sequence[Sequence[Answer]]) -> None:
    """Add ``start`` and ``end``: the tokens of the row's first answer, or the null token where a window lacks it.

    A row whose answer is whole in no window teaches nothing: there it would be that the question has no answer.
    """
    found = [
        _tokens(answers[row], starts, ends, first) if answers[row] else None
        for row, starts, ends, first in zip(
            features["row"], features["starts"], features["ends"], features["context"], strict=True
        )
    ]
    seen = {row for row, place in zip(features["row"], found, strict=True) if place or not answers[row]}
    features["start"], features["end"] = [], []
    for number, (row, place) in enumerate(zip(features["row"], found, strict=True)):
        null = features["null"][number]
        start, end = (place or (null, null)) if row in seen else (IGNORED, IGNORED)
        features["start"].append(start)
        features["end"].append(end)
        features["truncated"][number] |= row not in seen


def _tokens(
    answers: Sequence[Answer], starts: Sequence[int], ends: Sequence[int], first: int
) -> tuple[int, int] | None:
    """The first and the last token of the first answer, if the window holds it all."""
    text = answers[0].text
    start = answers[0].start + len(text) - len(text.lstrip())
    end = answers[0].start + len(text.rstrip())
    if not starts or start < starts[0] or end > ends[-1]:
        return None
    # The first token that ends behind the answer's start, and the last that begins before its end.
    begin, last = bisect_right(ends, start), bisect_left(starts, end) - 1
    return (first + begin, first + last) if begin <= last else None
