"""The next token, as run_clm.py does it: all texts in a row, cut into blocks; tested on each text by itself."""

from itertools import chain
from typing import Any

import torch
import transformers

from benchmarks.tasks.peers.answers import Example, token_loss
from benchmarks.tasks.peers.training import Job, fit, serve


def grouped(raw: Any, tokenizer: Any, size: int, end: int | None) -> Any:
    """Blocks of `size` tokens over the ends of texts (the last, incomplete one is dropped, as run_clm.py does)."""

    def encode(batch: dict[str, list[Any]]) -> dict[str, Any]:
        ids = tokenizer(batch["text"], add_special_tokens=end is None)["input_ids"]
        joined = list(chain.from_iterable([*row, end] if end is not None else row for row in ids))
        blocks = [joined[i : i + size] for i in range(0, len(joined) - size + 1, size)]
        return {"input_ids": blocks, "labels": blocks}

    return raw.map(encode, batched=True, batch_size=None, remove_columns=raw["train"].column_names)


def alone(ids: list[int], end: int, size: int) -> list[Example]:
    """A text between two ends, as in training, in blocks of `size`: every token but the first is predicted once."""
    whole = [end, *ids, end]
    starts = range(0, len(whole) - 1, size)
    return [(whole[start : start + 1], whole[start + 1 : start + 1 + size]) for start in starts]


def causal_lm(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    model = transformers.AutoModelForCausalLM.from_pretrained(job["checkpoint"], dtype=torch.float32)
    end, size = tokenizer.eos_token_id, job["max_length"]
    encoded = grouped(raw, tokenizer, size, end)
    # Not DataCollatorForLanguageModeling: where the padding token is the one for the end, it would learn no end.
    trainer, _ = fit(
        job, model, encoded, tokenizer, data_collator=transformers.default_data_collator, test=False
    )
    ids = tokenizer(list(raw["test"]["text"]), add_special_tokens=False)["input_ids"]
    examples = list(chain.from_iterable(alone(row, end, size) for row in ids))
    return {"loss": token_loss(trainer.model.eval(), examples)}


if __name__ == "__main__":
    serve(causal_lm)
