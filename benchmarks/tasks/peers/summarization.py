"""A summary by a decoder that reads the text first, scored by rouge_score."""

from typing import Any

from rouge_score.rouge_scorer import RougeScorer

from benchmarks.tasks.peers.answers import Example, token_loss, train, written
from benchmarks.tasks.peers.training import Job, serve


def summarization(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    task = job["task"]
    separator = tokenizer(task["separator"].replace("\\n", "\n"), add_special_tokens=False)["input_ids"]

    def encode(row: dict[str, Any]) -> Example:
        room = task["max_source_length"] - len(separator)
        source = tokenizer(row["source"], truncation=True, max_length=room)["input_ids"]
        summary = tokenizer(row["target"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        return source + separator, summary[: task["max_target_length"]]

    model = train(job, raw, tokenizer, encode)
    examples = [encode(row) for row in raw["test"]]
    prompts, most = [prompt for prompt, _ in examples], task["generation"]["max_new_tokens"]
    made = written(model, tokenizer, prompts, most, job["evaluation_batch_size"])
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    scores = [
        scorer.score(row["target"], text)["rougeL"].fmeasure
        for row, text in zip(raw["test"], made, strict=True)
    ]
    return {"loss": token_loss(model, examples), "rougeL": 100 * sum(scores) / len(scores)}


if __name__ == "__main__":
    serve(summarization)
