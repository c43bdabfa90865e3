"""What an embedding task learns from its data before training: its form, the objective, the range of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.data.origins import visible
from pipeline.errors import BadInput, Problem, listing
from pipeline.tasks.embedding.pooling import usual_pooling
from pipeline.tasks.embedding.rows import FORMS, Form, form_of, label_problems, problems_of
from pipeline.tasks.places import row_problem

if TYPE_CHECKING:
    from datasets import DatasetDict
    from transformers import PretrainedConfig

    from pipeline.tasks.base import Head
    from pipeline.tasks.sentence_embedding import SentenceEmbedding

# What each form of data can be learned by, the usual one first.
OBJECTIVES: dict[Form, tuple[str, ...]] = {
    "pairs": ("contrastive", "triplet"),
    "scored": ("cosine", "cosent"),
    "labelled": ("contrastive",),
}


def learn_head(task: SentenceEmbedding, data: DatasetDict, config: PretrainedConfig) -> Head:
    """The head's facts, as :class:`pipeline.tasks.sentence_embedding.SentenceEmbedding` describes them.

    Raises BadInput for columns of no form, an objective that does not suit them, and faulty rows, all of them.
    """
    there = visible(data["train"].column_names)
    form = form_of(there)
    objective = task.objective or OBJECTIVES[form][0]
    hard = form == "pairs" and "negative" in there
    if objective not in OBJECTIVES[form]:
        what = f"{objective} does not suit {form} rows"
        raise BadInput(Problem("task.objective", what, listing(OBJECTIVES[form])))
    if objective == "triplet" and not hard:
        what, allowed = "triplet needs hard negatives", "a column negative, or task.objective=contrastive"
        raise BadInput(Problem("task.objective", what, allowed))
    needed = {*FORMS[form], *(["negative"] if hard else [])}
    problems = [
        Problem(f"data.columns.{name}", f"{split} has no column {name!r}", "the columns of train")
        for split, rows in data.items()
        for name in sorted(needed - set(rows.column_names))
    ]
    problems = problems or problems_of(data, form, least_negatives=int(objective == "triplet"))
    if form == "labelled" and not problems:
        problems = label_problems(data["train"]["label"])
    if problems:
        raise BadInput(problems)
    return {
        "form": form,
        "objective": objective,
        "pooling": task.pooling or usual_pooling(config),
        "score_range": _range(task.score_range, data) if form == "scored" else None,
        "hard": hard,
    }


def _range(given: tuple[float, float] | None, data: DatasetDict) -> list[float]:
    low, high = given or (min(data["train"]["score"]), max(data["train"]["score"]))
    if not low < high:
        where = "task.score_range" if given else "data.columns.score"
        what = f"{low:g} to {high:g} is no range" if given else f"all scores are {low:g}"
        raise BadInput(Problem(where, what, "the lowest and the highest score, which differ"))
    places = {
        split: [row for row, score in enumerate(rows["score"], 1) if not low <= score <= high]
        for split, rows in data.items()
    }
    if given and any(places.values()):
        what, allowed = f"scores outside of {low:g} to {high:g}", "the lowest and the highest score there is"
        raise BadInput(row_problem("task.score_range", what, places, data, allowed))
    return [float(low), float(high)]
