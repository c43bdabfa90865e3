"""One text to another by an encoder-decoder, as run_translation.py does it, scored by sacrebleu."""

from typing import Any

import sacrebleu
import torch
import transformers

from benchmarks.tasks.peers.training import Job, fit, serve


def seq2seq(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    task = job["task"]

    def encode(batch: dict[str, list[Any]]) -> Any:
        tokens = tokenizer(batch["source"], truncation=True, max_length=task["max_source_length"])
        wanted = tokenizer(text_target=batch["target"], truncation=True, max_length=task["max_target_length"])
        return {**tokens, "labels": wanted["input_ids"]}

    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(job["checkpoint"], dtype=torch.float32)
    encoded = raw.map(encode, batched=True, remove_columns=raw["train"].column_names)
    collator = transformers.DataCollatorForSeq2Seq(tokenizer, model=model)
    trainer, _ = fit(job, model, encoded, tokenizer, data_collator=collator, test=False)
    model = trainer.model.eval()
    nats = tokens = 0.0
    texts = []
    for start in range(0, len(encoded["test"]), job["evaluation_batch_size"]):
        rows = encoded["test"].select(
            range(start, min(start + job["evaluation_batch_size"], len(encoded["test"])))
        )
        batch = collator(list(rows)).to(model.device)
        with torch.inference_mode():
            logits = model(**batch).logits
            made = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=task["generation"]["max_new_tokens"],
                num_beams=1,
            )
        nats += torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), batch["labels"].flatten(), reduction="sum"
        ).item()
        tokens += (batch["labels"] != -100).sum().item()
        texts += tokenizer.batch_decode(made, skip_special_tokens=True)
    references = [list(raw["test"]["target"])]
    return {
        "loss": nats / tokens,
        "bleu": sacrebleu.corpus_bleu(texts, references).score,
        "chrf": sacrebleu.corpus_chrf(texts, references).score,
    }


if __name__ == "__main__":
    serve(seq2seq)
