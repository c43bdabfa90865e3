"""Answers as spans of a context, as run_qa.py does it, scored by torchmetrics' port of the official script."""

from typing import Any

import numpy as np
import torch
import transformers
from torchmetrics.text import SQuAD

from benchmarks.tasks.peers.training import Job, fit, serve

N_BEST, LONGEST_ANSWER = 20, 30


def question_answering(job: Job, raw: Any, tokenizer: Any) -> dict[str, float]:
    def windows(batch: dict[str, list[Any]]) -> Any:
        return tokenizer(
            batch["question"],
            batch["context"],
            truncation="only_second",
            max_length=job["max_length"],
            stride=job["task"].get("stride", 128),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )

    def encode(batch: dict[str, list[Any]]) -> dict[str, Any]:
        tokens = windows(batch)
        starts, ends = [], []
        for number, row in enumerate(tokens.pop("overflow_to_sample_mapping")):
            start, end = span(tokens, number, batch["answers"][row])
            starts.append(start)
            ends.append(end)
        tokens.pop("offset_mapping")
        return {**tokens, "start_positions": starts, "end_positions": ends}

    def answered(rows: Any) -> Any:
        """What scores the logits of all windows of these rows."""

        def scores(prediction: Any) -> dict[str, float]:
            metric, place = SQuAD(), 0
            for row in rows:
                tokens = windows({"question": [row["question"]], "context": [row["context"]]})
                here = slice(place, place := place + len(tokens["input_ids"]))
                text = best_text(tokens, *(logits[here] for logits in prediction.predictions), row["context"])
                metric.update(
                    [{"prediction_text": text, "id": "0"}],
                    [{"answers": {"answer_start": [0], "text": row["answers"]["text"]}, "id": "0"}],
                )
            return {name: float(value) for name, value in metric.compute().items()}

        return scores

    model = transformers.AutoModelForQuestionAnswering.from_pretrained(job["checkpoint"], dtype=torch.float32)
    encoded = raw.map(encode, batched=True, remove_columns=raw["train"].column_names)
    trainer, _ = fit(job, model, encoded, tokenizer, compute_metrics=answered(raw["validation"]), test=False)
    trainer.compute_metrics = None
    return answered(raw["test"])(trainer.predict(encoded["test"]))


def span(tokens: Any, number: int, answers: dict[str, list[Any]]) -> tuple[int, int]:
    """First and last token of the first answer in a window; 0, 0 where it is not in it."""
    if not answers["text"]:
        return 0, 0
    begin = answers["answer_start"][0]
    stop = begin + len(answers["text"][0])
    places = tokens["offset_mapping"][number]
    context = [i for i, kind in enumerate(tokens.sequence_ids(number)) if kind == 1]
    if places[context[0]][0] > begin or places[context[-1]][1] < stop:
        return 0, 0
    first = max(i for i in context if places[i][0] <= begin)
    last = min(i for i in context if places[i][1] >= stop)
    return first, last


def best_text(tokens: Any, starts: np.ndarray, ends: np.ndarray, context: str) -> str:
    best, text = -np.inf, ""
    for number in range(len(starts)):
        inside = {i for i, kind in enumerate(tokens.sequence_ids(number)) if kind == 1}
        for first in starts[number].argsort()[: -N_BEST - 1 : -1]:
            for last in ends[number].argsort()[: -N_BEST - 1 : -1]:
                fits = first in inside and last in inside and first <= last < first + LONGEST_ANSWER
                score = starts[number][first] + ends[number][last]
                if fits and score > best:
                    places = tokens["offset_mapping"][number]
                    best, text = score, context[places[first][0] : places[last][1]]
    return text


if __name__ == "__main__":
    serve(question_answering)
