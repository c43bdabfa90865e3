"""The official files of SQuAD to rows: articles with paragraphs with questions, in one JSON object.

    {"version": "v2.0", "data": [{"title": …, "paragraphs": [{"context": …, "qas": [{"id": …, "question": …,
     "answers": [{"text": …, "answer_start": …}], "is_impossible": false}]}]}]}

A row is one question: ``id, title, context, question, answers`` with answers as {"text": […], "answer_start": […]},
both empty where the question has no answer in its context (Rajpurkar et al. 2018, arXiv:1806.03822).
"""

import json
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from pipeline.data.origins import ORIGIN
from pipeline.errors import BadInput, Problem
from pipeline.sources.reading.batching import batches
from pipeline.sources.reading.decoding import HINT, is_decoded

if TYPE_CHECKING:
    import pyarrow as pa


def read_squad(lines: IO[str], name: str, encoding: str) -> "Iterator[pa.Table]":
    """Raises BadInput for a file of another form, with the place in it."""
    import pyarrow as pa

    text = lines.read()
    if not is_decoded(text):
        raise BadInput(Problem(name, f"is not {encoding}", HINT))
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(Problem(f"{name}:{error.lineno}", f"is not JSON: {error.msg}")) from error
    del text
    answers = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int64()))])
    texts = [(field, pa.string()) for field in ("id", "title", "context", "question")]
    schema = pa.schema([*texts, ("answers", answers), (ORIGIN, pa.string())])
    for rows in batches(_rows(whole, name), lambda row: len(row["context"])):
        yield pa.Table.from_pylist(rows, schema=schema)


def _rows(whole: Any, name: str) -> Iterator[dict[str, Any]]:
    place = "data"
    try:
        for a, article in enumerate(whole["data"]):
            for p, paragraph in enumerate(article["paragraphs"]):
                for q, asked in enumerate(paragraph["qas"]):
                    place = f"data[{a}].paragraphs[{p}].qas[{q}]"
                    given = [] if asked.get("is_impossible") else asked["answers"]
                    yield {
                        "id": str(asked["id"]),
                        "title": article.get("title"),
                        "context": paragraph["context"],
                        "question": asked["question"],
                        "answers": {
                            "text": [answer["text"] for answer in given],
                            "answer_start": [answer["answer_start"] for answer in given],
                        },
                        ORIGIN: f"{name} {place}",
                    }
    except (KeyError, TypeError, IndexError) as error:
        what = f"is not in the form of SQuAD's files: {error!r} in {place} or after it"
        allowed = "data: articles with paragraphs with context and qas; or rows in jsonl, one question each"
        raise BadInput(Problem(name, what, allowed)) from error
