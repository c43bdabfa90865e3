"""The next token, as run_clm.py does it: all texts in a row, cut into blocks."""

from itertools import chain
from typing import Any

import torch
import transformers

from benchmarks.tasks.peers.training import Job, fit, serve


def grouped(raw: Any, tokenizer: Any, size: int, end: int | None) -> Any:
    """Blocks of `size` tokens over the ends of texts (the last, incomplete one is dropped, as run_clm.py does)."""

    def encode(batch: dict[str, list[Any]]) -> dict[str, Any]:
        ids = tokenizer(batch["text"], add_special_tokens=end is None)["input_ids"]
        joined = list(chain.from_iterable([*row, end] if end is not None else row for row in ids))
        blocks = [joined[i : i + size] for i in range(0, len(joined) - size + 1, size)]
        return {"input_ids": blocks, "attention_mask": [[1] * size for _ in blocks]}

    return raw.map(encode, batched=True, batch_size=None, remove_columns=raw["train"].column_names)


def causal_lm(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    model = transformers.AutoModelForCausalLM.from_pretrained(job["checkpoint"], dtype=torch.float32)
    encoded = grouped(raw, tokenizer, job["max_length"], tokenizer.eos_token_id)
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm=False)
    _, scores = fit(job, model, encoded, tokenizer, data_collator=collator)
    return {"loss": scores["loss"]}


if __name__ == "__main__":
    serve(causal_lm)
