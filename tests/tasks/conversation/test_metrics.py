"""Scores of answers against rouge_score's own, and answers that are taken out of texts."""

import math
import re

import pytest
from rouge_score.rouge_scorer import RougeScorer

from pipeline.tasks.conversation.metrics import LastAnswer, answer_metrics, extracted, perplexity, score_names

GSM8K = r"#### (-?[0-9.,]+)"
ROWS = [
    {"id": 1, "prompt": "a", "response": "He has 2 + 2 = 4.\n#### 4"},
    {"id": 2, "prompt": "a", "response": "That is\n#### 1,000"},
    {"id": 3, "prompt": "a", "response": "No.\n#### -3"},
]
SAID = ["He has 4.\n#### 4.0", "1000", "No.\n#### -3"]


def test_scores_are_those_of_the_packages() -> None:
    metrics = answer_metrics(LastAnswer(None, "prompt_response"), GSM8K, unicode=False)
    for row, text in zip(ROWS, SAID, strict=True):
        metrics.update([{"response": text}], [row])
    found = metrics.compute()
    assert set(found) == set(score_names(GSM8K))
    scorer = RougeScorer(["rouge1", "rougeL"])
    own = [scorer.score(row["response"], text) for row, text in zip(ROWS, SAID, strict=True)]
    for name in ("rouge1", "rougeL"):
        expected = 100 * sum(score[name].fmeasure for score in own) / 3
        assert found[name] == pytest.approx(expected, abs=1e-6)
    assert found["exact_match"] == pytest.approx(1 / 3) and found["answer_match"] == pytest.approx(2 / 3)


def test_the_reference_is_the_last_answer_of_any_form() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] * 2
    messages[-1] = {"role": "assistant", "content": "c"}
    last = LastAnswer(None, "prompt_response")
    assert last({"messages": messages, "id": 3}) == "c"
    assert last({"prompt": "x", "response": "y", "messages": None}) == "y"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (GSM8K, "#### 1,234.50", 1234.5),
        (GSM8K, "so 5. #### 5.", 5.0),
        (GSM8K, "5", None),
        (r"[A-D]\b", "The answer is B, not C", "B"),
        (r"yes|no", "no", "no"),
    ],
)
def test_what_a_pattern_finds(pattern: str, text: str, expected: object) -> None:
    assert extracted(re.compile(pattern), text) == expected


def test_perplexity() -> None:
    assert perplexity(math.log(7)) == pytest.approx(7) and perplexity(1e6) == math.inf
