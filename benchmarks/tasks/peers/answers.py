"""What peers share whose model is a decoder that goes on from a prompt: only what it writes there is learned."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers

from benchmarks.tasks.peers.training import Job, fit

IGNORED = -100
# A prompt and what is to be written after it, as token numbers.
Example = tuple[list[int], list[int]]


def train(job: Job, raw: Any, tokenizer: Any, encode: Callable[[dict[str, Any]], Example]) -> Any:
    """The model after training on every row's example, with labels on what is to be written alone."""

    def labelled(row: dict[str, Any]) -> dict[str, list[int]]:
        prompt, answer = encode(row)
        return {"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer}

    model = transformers.AutoModelForCausalLM.from_pretrained(job["checkpoint"], dtype=torch.float32)
    encoded = raw.map(labelled, remove_columns=raw["train"].column_names)
    collator = transformers.DataCollatorForSeq2Seq(tokenizer)
    trainer, _ = fit(job, model, encoded, tokenizer, data_collator=collator, test=False)
    return trainer.model.eval()


def token_loss(model: Any, examples: Sequence[Example], batch: int = 16) -> float:
    """Nats for each token that is to be written, over all of the examples together (Trainer means over batches)."""
    nats = tokens = 0.0
    for start in range(0, len(examples), batch):
        some = [
            (prompt + answer, [IGNORED] * len(prompt) + answer)
            for prompt, answer in examples[start : start + batch]
        ]
        longest = max(len(ids) for ids, _ in some)
        # What is filled up comes after what counts, where a decoder does not see it.
        ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in some], device=model.device)
        labels = torch.tensor(
            [row + [IGNORED] * (longest - len(row)) for _, row in some], device=model.device
        )
        with torch.inference_mode():
            logits = model(input_ids=ids).logits[:, :-1]
        wanted = labels[:, 1:].flatten()
        nats += torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), wanted, ignore_index=IGNORED, reduction="sum"
        ).item()
        tokens += (wanted != IGNORED).sum().item()
    return nats / tokens


def written(model: Any, tokenizer: Any, prompts: Sequence[list[int]], most: int, batch: int) -> list[str]:
    """What the model writes after each prompt: greedily, at most so many tokens."""
    texts = []
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        longest = max(map(len, some))
        filled = [[tokenizer.pad_token_id] * (longest - len(ids)) + ids for ids in some]
        mask = [[0] * (longest - len(ids)) + [1] * len(ids) for ids in some]
        made = model.generate(
            input_ids=torch.tensor(filled, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            max_new_tokens=most,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        texts += tokenizer.batch_decode(made[:, longest:], skip_special_tokens=True)
    return texts
