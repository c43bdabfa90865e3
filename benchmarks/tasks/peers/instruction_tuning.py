"""Answers in conversations: the chat template makes the text, and labels are on the assistant's tokens alone.

That is what TRL's SFTTrainer hands to Trainer with `assistant_only_loss`.
"""

from typing import Any

from rouge_score.rouge_scorer import RougeScorer

from benchmarks.tasks.peers.answers import Example, token_loss, train, written
from benchmarks.tasks.peers.training import Job, serve


def instruction_tuning(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    def encode(row: dict[str, Any]) -> Example:
        asked = [{"role": "user", "content": row["prompt"]}]
        text = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        prompt = tokenizer(text, add_special_tokens=False)["input_ids"]
        answer = tokenizer(row["response"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        return prompt, answer[: job["max_length"] - len(prompt)]

    model = train(job, raw, tokenizer, encode)
    examples = [encode(row) for row in raw["test"]]
    prompts, most = [prompt for prompt, _ in examples], job["task"]["generation"]["max_new_tokens"]
    made = written(model, tokenizer, prompts, most, job["evaluation_batch_size"])
    scorer = RougeScorer(["rougeL"])
    scores = [
        scorer.score(row["response"], text)["rougeL"].fmeasure
        for row, text in zip(raw["test"], made, strict=True)
    ]
    return {"loss": token_loss(model, examples), "rougeL": 100 * sum(scores) / len(scores)}


if __name__ == "__main__":
    serve(instruction_tuning)
