"""The best spans of windows, put together to the answer to a question."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.training.answers import Answer

# Characters of the context from, to; and the sum of the two logits.
Candidate = tuple[int, int, float]


def best_answer(answer: Answer, *, n_best: int, unanswerable: bool, threshold: float) -> dict[str, Any]:
    """What :meth:`pipeline.tasks.question_answering.QuestionAnswering.decode` says of one row.

    As in the official baseline of SQuAD 2.0: "no answer" scores as it does in the window that is least sure of it,
    and is said where that exceeds the best span's score by more than ``threshold``. Probabilities are among what is
    listed.
    """
    context = answer.row["context"]
    found, null = _candidates(answer, context)
    listed: list[dict[str, Any]] = [
        {"answer": context[start:end], "start": start, "end": end, "score": score}
        for start, end, score in found[:n_best]
    ]
    nothing = {"answer": "", "start": None, "end": None, "score": null}
    if unanswerable or not listed:
        listed.append(nothing)
    best = listed[0]
    if unanswerable and best is not nothing and null - best["score"] > threshold:
        best = nothing
    margin = {"null_margin": null - found[0][2] if found else None} if unanswerable else {}
    _to_probabilities(listed)
    listed.sort(key=lambda candidate: -candidate["score"])
    return {**best, **margin, "n_best": listed}


def _candidates(answer: Answer, context: str) -> tuple[list[Candidate], float]:
    """Spans of all windows, the best first, each once; and the score of "no answer"."""
    found: dict[tuple[int, int], float] = {}
    null = math.inf
    for feature, predicted in zip(answer.features, answer.predictions, strict=True):
        (*_, here), *spans = predicted.tolist()
        null = min(null, here)
        for first, last, score in spans:
            if score == -math.inf:
                continue
            place = _characters(feature["starts"][int(first)], feature["ends"][int(last)], context)
            if place is not None:
                found[place] = max(score, found.get(place, -math.inf))
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [(start, end, score) for (start, end), score in ordered], null


def _characters(start: int, end: int, context: str) -> tuple[int, int] | None:
    """Without the blanks around, which some tokenizers make a part of the token; None where nothing is left."""
    text = context[start:end]
    if not text.strip():
        return None
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())


def _to_probabilities(listed: list[dict[str, Any]]) -> None:
    """Softmax of the scores, in place."""
    most = max(candidate["score"] for candidate in listed)
    weights = [math.exp(candidate["score"] - most) for candidate in listed]
    for candidate, weight in zip(listed, weights, strict=True):
        candidate["score"] = weight / sum(weights)
