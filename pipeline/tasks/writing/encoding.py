"""A text to read and a text to write as token numbers and batches, for encoder-decoders and for decoders.

An encoder-decoder reads the prompt and learns to write the target. A decoder learns to go on from the prompt with the
target, and nothing else: the prompt's tokens have no loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem
from pipeline.tasks.encoding import pad
from pipeline.tasks.token_loss import IGNORED
from pipeline.tasks.writing.generation import prompt_batch, prompt_room

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from pipeline.tasks.text_to_text import TextToText

SOURCE_LENGTH = "task.max_source_length"
TARGET_LENGTH = "task.max_target_length"
# What the lengths are unless they are set, where the model can take that much.
DEFAULT_SOURCE, DEFAULT_TARGET = 512, 128
# Prompts of fewer tokens leave nothing of a source.
_LEAST_PROMPT = 8

Encode = Callable[[str], list[int]]


def encode_for_encoder_decoder(
    sources: Sequence[str],
    targets: Sequence[str] | None,
    task: TextToText,
    tokenizer: PreTrainedTokenizerBase,
) -> dict[str, list[Any]]:
    """``input_ids``, ``length`` (of both texts), ``truncated`` (either text), and with targets ``labels``."""
    most = tokenizer.model_max_length
    limit = min(DEFAULT_SOURCE, most) if task.source_limit is None else task.source_limit
    if limit > most:
        raise BadInput(Problem(SOURCE_LENGTH, f"{limit} is more than the model can take", f"at most {most}"))
    prompts = _prompts(sources, _lines(task.prompt), limit, lambda texts: _ids(tokenizer, texts))
    ids = [ids for ids, _ in prompts]
    features: dict[str, list[Any]] = {
        "input_ids": ids,
        "length": [len(row) for row in ids],
        "truncated": [cut for _, cut in prompts],
    }
    if targets is not None:
        room = _target_limit(task, most, least=3)
        # Cut by the tokenizer, which keeps the tokens around a text.
        whole = tokenizer(text_target=list(targets), return_attention_mask=False, verbose=False)["input_ids"]
        short = tokenizer(
            text_target=list(targets),
            truncation=True,
            max_length=room,
            return_attention_mask=False,
            verbose=False,
        )["input_ids"]
        end = tokenizer.eos_token_id
        features["labels"] = [
            row if end is None or end in row or len(row) == room else [*row, end] for row in short
        ]
        features["length"] = [
            one + len(row) for one, row in zip(features["length"], features["labels"], strict=True)
        ]
        features["truncated"] = [
            cut or len(row) > room for cut, row in zip(features["truncated"], whole, strict=True)
        ]
    return features


def encode_for_decoder(
    sources: Sequence[str],
    targets: Sequence[str] | None,
    task: TextToText,
    tokenizer: PreTrainedTokenizerBase,
) -> dict[str, list[Any]]:
    """``input_ids`` (prompt, and with targets the target and the end of text), ``prompt_length``, ``length``,
    ``truncated`` (either text). A target that is cut has no end of text."""
    most, settings = tokenizer.model_max_length, task.generation
    room = _target_limit(task, most, least=2)
    free = min(prompt_room(tokenizer, settings, _LEAST_PROMPT), most - room)
    if free < _LEAST_PROMPT:
        what = f"{room} tokens for the target leave no room for the source in {most} that the model can take"
        raise BadInput(Problem(TARGET_LENGTH, what, f"at most {most - _LEAST_PROMPT}"))
    if task.source_limit is not None and task.source_limit > free:
        what = f"{task.source_limit} tokens and {most - free} for the target are more than the model's {most}"
        raise BadInput(Problem(SOURCE_LENGTH, what, f"at most {free}"))
    limit = min(DEFAULT_SOURCE, free) if task.source_limit is None else task.source_limit
    start = _start(tokenizer)
    # A decoder must see something before it writes.
    first = start or [next(n for n in (tokenizer.eos_token_id, tokenizer.pad_token_id) if n is not None)]
    prompts = _prompts(
        sources,
        _lines(task.prompt + task.separator),
        limit,
        lambda texts: [(start + ids) or first for ids in _ids(tokenizer, texts, add_special_tokens=False)],
    )
    prompt_ids, cut = [ids for ids, _ in prompts], [cut for _, cut in prompts]
    ids = prompt_ids
    if targets is not None:
        ends = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        whole = [row + ends for row in _ids(tokenizer, targets, add_special_tokens=False)]
        ids = [prompt + row[:room] for prompt, row in zip(prompt_ids, whole, strict=True)]
        cut = [one or len(row) > room for one, row in zip(cut, whole, strict=True)]
    return {
        "input_ids": ids,
        "prompt_length": [len(row) for row in prompt_ids],
        "length": [len(row) for row in ids],
        "truncated": cut,
    }


def collate_for_encoder_decoder(
    features: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, multiple: int | None
) -> dict[str, Tensor]:
    """``input_ids``, ``attention_mask``: (features, longest source); ``labels``: (features, longest target)."""
    import torch

    batch = pad(features, tokenizer, multiple)
    if "labels" in features[0]:
        width = _up_to(max(len(row["labels"]) for row in features), multiple)
        batch["labels"] = torch.tensor(
            [[*row["labels"], *[IGNORED] * (width - len(row["labels"]))] for row in features]
        )
    return batch


def collate_for_decoder(
    features: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, multiple: int | None
) -> dict[str, Tensor]:
    """``input_ids``, ``attention_mask``: (features, longest), padded on the right; ``labels``: (features, some),
    which belong to the last positions, all that have a target in any row; ``prompt_ids``, ``prompt_mask``."""
    import torch

    rows, prompts = [row["input_ids"] for row in features], [row["prompt_length"] for row in features]
    width = _up_to(max(map(len, rows)), multiple)
    filling = tokenizer.pad_token_id or 0
    batch = {
        "input_ids": torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
        **prompt_batch(
            [{"prompt_ids": row[:prompt]} for row, prompt in zip(rows, prompts, strict=True)], tokenizer
        ),
    }
    first = min(prompts)
    if any(len(row) > prompt for row, prompt in zip(rows, prompts, strict=True)):
        wanted = [
            [IGNORED] * (prompt - first) + list(row[prompt:]) + [IGNORED] * (width - len(row))
            for row, prompt in zip(rows, prompts, strict=True)
        ]
        batch["labels"] = torch.tensor(wanted)
    return batch


def _prompts(
    sources: Sequence[str], prompt: str, limit: int, encode: Callable[[Sequence[str]], list[list[int]]]
) -> list[tuple[list[int], bool]]:
    """For each source the tokens of the prompt that it is in, at most ``limit``, and whether it was cut."""
    found = encode([prompt.replace("{source}", source) for source in sources])
    return [
        (ids, False)
        if len(ids) <= limit
        else (fit(source, limit, lambda text: encode([prompt.replace("{source}", text)])[0]), True)
        for source, ids in zip(sources, found, strict=True)
    ]


def fit(source: str, limit: int, encode: Encode) -> list[int]:
    """The tokens of a prompt with as much of the start of ``source`` as makes at most ``limit`` of them.

    encode: a source to its prompt's tokens. Raises BadInput where the prompt alone is longer.
    """
    best = encode("")
    if len(best) > limit:
        what = f"the prompt alone takes {len(best)} tokens of the {limit} that there are"
        raise BadInput(Problem(SOURCE_LENGTH, what, "more tokens, or a shorter task.prompt"))
    # Interpolation: tokens are about evenly long. `low` characters fit, `high` do not.
    whole = encode(source)
    if len(whole) <= limit:
        return whole
    low, high, above = 0, len(source), len(whole)
    while high - low > 1 and len(best) < limit:
        share = (limit - len(best)) / max(1, above - len(best))
        middle = min(high - 1, max(low + 1, low + int(share * (high - low))))
        ids = encode(source[:middle])
        if len(ids) <= limit:
            low, best = middle, ids
        else:
            high, above = middle, len(ids)
    return best


def _target_limit(task: TextToText, most: int, least: int) -> int:
    asked = task.max_target_length
    if asked is not None and not least <= asked <= most:
        raise BadInput(Problem(TARGET_LENGTH, f"{asked} does not suit the model", f"{least} to {most}"))
    return min(DEFAULT_TARGET, most // 2) if asked is None else asked


def _ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], **options: Any) -> list[list[int]]:
    return tokenizer(list(texts), return_attention_mask=False, verbose=False, **options)["input_ids"]


def _lines(prompt: str) -> str:
    """A prompt from the command line, where ``\\n`` is how a line end is written."""
    return prompt.replace("\\n", "\n")


def _start(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the tokenizer puts before a text."""
    around, alone = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    place = next((i for i in range(len(around)) if around[i : i + len(alone)] == alone), 0)
    return list(around[:place])


def _up_to(width: int, multiple: int | None) -> int:
    return width if multiple is None else -(-width // multiple) * multiple
