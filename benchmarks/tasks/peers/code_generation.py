"""Python for a description and its first tests, written by a decoder; only the code is learned."""

import ast
from typing import Any

from benchmarks.tasks.peers.answers import Example, token_loss, train, written
from benchmarks.tasks.peers.training import Job, serve


def code_generation(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    task = job["task"]

    def encode(row: dict[str, Any]) -> Example:
        asked = [row["prompt"], *row["tests"][: task["tests_in_prompt"]]]
        prompt = "\n".join(asked).replace("\r\n", "\n") + "\n"
        code = row["code"].replace("\r\n", "\n").strip("\n").rstrip()
        answer = tokenizer(code, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        return tokenizer(prompt)["input_ids"], answer[: task["max_target_length"]]

    model = train(job, raw, tokenizer, encode)
    examples = [encode(row) for row in raw["test"]]
    prompts, most = [prompt for prompt, _ in examples], task["generation"]["max_new_tokens"]
    made = written(model, tokenizer, prompts, most, job["evaluation_batch_size"])
    valid = sum(is_python(text) for text in made)
    return {"loss": token_loss(model, examples), "syntax_valid": valid / len(made)}


def is_python(text: str) -> bool:
    """Comments alone are none."""
    try:
        return bool(ast.parse(text).body)
    except (SyntaxError, ValueError):
        return False


if __name__ == "__main__":
    serve(code_generation)
