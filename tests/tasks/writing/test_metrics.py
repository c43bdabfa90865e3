"""Scores equal those of sacrebleu and rouge_score on the whole corpus, however the rows are dealt."""

import random
from typing import Any

import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from pipeline.tasks.writing.metrics import (
    ROUGE_TYPES,
    Bleu,
    Chrf,
    ExactMatch,
    LengthRatio,
    Rouge,
    TextMetric,
    collection,
)

TEXT = "The cat, which sat on a mat, ran away. Running dogs don't eat 3.5 mice! Über Straßen"
WORDS = TEXT.split()


def corpus(count: int = 60, most: int = 3) -> tuple[list[dict[str, str]], list[dict[str, list[str]]]]:
    draw = random.Random(0)

    def text() -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, 14)))

    rows = [{"target": [text() for _ in range(draw.randint(1, most))]} for _ in range(count)]
    # Near one of the references, so that long n-grams are found.
    said = [{"text": f"{draw.choice(row['target'])} {draw.choice(WORDS)}"} for row in rows]
    said[0] = {"text": ""}
    return said, rows


def streams(rows: list[dict[str, list[str]]]) -> list[list[str | None]]:
    """References as sacrebleu wants them: the first of every row, the second of every row, …"""
    most = max(len(row["target"]) for row in rows)
    return [[row["target"][i] if i < len(row["target"]) else None for row in rows] for i in range(most)]


def computed(metric: TextMetric, said: Any, rows: Any) -> dict[str, float]:
    metric.update(said, rows)
    return metric.compute()


@pytest.mark.parametrize("tokenize", ["13a", "intl", "char", "zh", "none"])
def test_bleu_is_sacrebleus(tokenize: str) -> None:
    said, rows = corpus()
    expected = sacrebleu.corpus_bleu([s["text"] for s in said], streams(rows), tokenize=tokenize, force=True)
    assert computed(Bleu(tokenize), said, rows) == {"bleu": pytest.approx(expected.score, abs=1e-9)}
    assert expected.score > 50


def test_bleu_of_short_and_wrong_texts_is_smoothed_as_sacrebleu_does() -> None:
    said, rows = [{"text": "a b"}, {"text": "c d e f"}], [{"target": "a c"}, {"target": "x d e y"}]
    expected = sacrebleu.corpus_bleu(["a b", "c d e f"], [["a c", "x d e y"]])
    assert computed(Bleu(), said, rows)["bleu"] == pytest.approx(expected.score, abs=1e-9)


@pytest.mark.parametrize(("words", "name"), [(False, "chrf"), (True, "chrfpp")])
def test_chrf_is_sacrebleus(words: bool, name: str) -> None:
    said, rows = corpus()
    expected = sacrebleu.corpus_chrf([s["text"] for s in said], streams(rows), word_order=2 if words else 0)
    assert computed(Chrf(words), said, rows) == {name: pytest.approx(expected.score, abs=1e-9)}


@pytest.mark.parametrize("stemmer", [False, True])
def test_rouge_is_rouge_scores(stemmer: bool) -> None:
    said, rows = corpus()
    rows[3]["target"] = ["one line\nand another\nThe cat ran"]
    scorer = RougeScorer(list(ROUGE_TYPES), use_stemmer=stemmer)
    each = [scorer.score_multi(row["target"], s["text"]) for s, row in zip(said, rows, strict=True)]
    expected = {name: 100 * sum(one[name].fmeasure for one in each) / len(each) for name in ROUGE_TYPES}
    assert computed(Rouge(stemmer=stemmer), said, rows) == pytest.approx(expected, abs=1e-9)


def test_rouge_by_sentences_is_rouge_scores_of_lines() -> None:
    text, right = "It is late. The cat ran. Dogs eat!", "Dogs eat mice. It is late? Yes."
    scorer = RougeScorer(["rougeLsum"])
    lines = scorer.score("Dogs eat mice.\nIt is late?\nYes.", "It is late.\nThe cat ran.\nDogs eat!")
    found = computed(Rouge(["rougeLsum"], split_sentences=True), [{"text": text}], [{"target": right}])
    assert found["rougeLsum"] == pytest.approx(100 * lines["rougeLsum"].fmeasure, abs=1e-9)
    whole = computed(Rouge(["rougeLsum"]), [{"text": text}], [{"target": right}])
    assert whole["rougeLsum"] < found["rougeLsum"]


@pytest.mark.parametrize(
    ("text", "right"), [("我们去北京。", "我们去上海。"), ("مرحبا بالعالم الجميل", "مرحبا بالعالم الكبير")]
)
def test_rouge_of_other_scripts(text: str, right: str) -> None:
    said, rows = [{"text": text}], [{"target": right}]
    assert computed(Rouge(["rouge1"]), said, rows) == {"rouge1": 0}
    assert 50 < computed(Rouge(["rouge1"], unicode=True), said, rows)["rouge1"] < 80


def test_exact_match_and_length_ratio() -> None:
    said = [{"text": " yes 😀\n"}, {"text": "No"}, {"text": ""}]
    rows = [{"target": ["no", "yes 😀"]}, {"target": "no"}, {"target": "abcd"}]
    assert computed(ExactMatch(), said, rows) == {"exact_match": pytest.approx(1 / 3)}
    # 5 of 5 (the nearer of two), 2 of 2, 0 of 4.
    assert computed(LengthRatio(), said, rows) == {"length_ratio": pytest.approx(7 / 11)}


def test_states_of_parts_add_up_to_the_whole() -> None:
    said, rows = corpus()
    whole, left, right = (
        collection([Bleu(), Chrf(), Rouge(), ExactMatch(), LengthRatio()]) for _ in range(3)
    )
    whole.update(said, rows)
    left.update(said[:7], rows[:7])
    right.update(said[7:40], rows[7:40])
    right.update(said[40:], rows[40:])
    for name, metric in left.items():
        metric.sums += right[name].sums
    assert left.compute() == whole.compute()
    assert set(whole.compute()) == {"bleu", "chrf", *ROUGE_TYPES, "exact_match", "length_ratio"}


def test_nothing_written_is_no_score(recwarn: pytest.WarningsRecorder) -> None:
    assert dict(collection([Bleu(), Chrf(), Rouge(), ExactMatch(), LengthRatio()]).compute()) == {}
    assert not recwarn.list


def test_other_columns() -> None:
    by_name = ExactMatch(prediction="code", reference="answer")
    assert computed(by_name, [{"code": "x"}], [{"answer": "x"}]) == {"exact_match": 1}
    found = ExactMatch(reference=lambda row: row["translation"]["de"])
    assert computed(found, [{"text": "x"}], [{"translation": {"de": "x"}}]) == {"exact_match": 1}
