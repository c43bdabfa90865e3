"""What a tagger says of windows, put together to tags and entities of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.tasks.tagging.rows import words_of
from pipeline.tasks.tagging.schemes import continued, entities
from pipeline.tasks.tagging.words import Words

if TYPE_CHECKING:
    from pipeline.tasks.base import Head
    from pipeline.training.answers import Answer


def decoded(answer: Answer, head: Head) -> dict[str, Any]:
    """The tags of a row's words and, where they make spans, its entities."""
    words = words_of(answer.row, head)
    tags, scores = _put_together(answer, words, head)
    said: dict[str, Any] = {}
    if head["scheme"] != "none":
        said["entities"] = _entities(words, tags, scores, head)
    said |= {"tags": tags, "scores": scores}
    given = "text" in answer.row and (head["input"] == "text" or "tokens" not in answer.row)
    return {**said, "tokens": words.list()} if given else said


def _put_together(answer: Answer, words: Words, head: Head) -> tuple[list[str], list[float]]:
    found: list[tuple[str, float] | None] = [None] * len(words)
    for feature, predicted in zip(answer.features, answer.predictions, strict=True):
        numbers, scores = predicted.tolist()
        for word, number, score in zip(feature["words"], numbers, scores, strict=True):
            found[word] = head["labels"][int(number)], score
    tags: list[tuple[str, float]] = []
    for word, said in enumerate(found):
        if said is None:
            # No token begins in it: one that began before reaches over it, or the model sees nothing of it.
            within = words.touching(word) and head["input"] == "text"
            said = (
                (continued(tags[-1][0], head["scheme"]), tags[-1][1]) if within else (head["frequent"], 1.0)
            )
        tags.append(said)
    return [tag for tag, _ in tags], [score for _, score in tags]


def _entities(words: Words, tags: list[str], scores: list[float], head: Head) -> list[dict[str, Any]]:
    """Each with the mean probability of its words' tags."""
    found = []
    for label, first, last in entities(tags, head["scheme"]):
        start, end = words.spans[first][0], words.spans[last - 1][1]
        score = sum(scores[first:last]) / (last - first)
        found.append(
            {"start": start, "end": end, "label": label, "text": words.text[start:end], "score": score}
        )
    return found
