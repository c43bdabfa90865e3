"""What is learned from tagged rows, and what is wrong with them."""

from types import SimpleNamespace
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

from pipeline.errors import BadInput
from pipeline.tasks.tagging.head import learn_head
from pipeline.tasks.token_classification import TokenClassification
from tests.tasks.parts import NO_MODEL

TOKENS = {"tokens": [["Ann", "lives", "in", "New", "York"], ["Hello"]]}
TAGS = {"tags": [["B-PER", "O", "O", "B-LOC", "I-LOC"], ["O"]]}
TEXTS = {
    "text": ["Ann lives in New York", "Hello"],
    "spans": [[{"start": 0, "end": 3, "label": "PER"}, {"start": 13, "end": 21, "label": "LOC"}], []],
}


def learned(train: dict[str, Any], *, config: Any = NO_MODEL, others: Any = None, **options: Any) -> Any:
    data = DatasetDict({"train": Dataset.from_dict(train)})
    for split, rows in (others or {}).items():
        data[split] = Dataset.from_dict(rows)
    return learn_head(TokenClassification(**options), data, config)


def problem(train: dict[str, Any], **options: Any) -> str:
    with pytest.raises(BadInput) as raised:
        learned(train, **options)
    return str(raised.value)


def test_tags_of_words() -> None:
    head = learned({**TOKENS, **TAGS})
    assert head["labels"] == ["O", "B-LOC", "B-PER", "I-LOC", "I-PER"]
    assert (head["scheme"], head["input"], head["frequent"]) == ("bio", "tokens", "O")
    assert head["counts"] == {"train": {"LOC": 1, "PER": 1}} and head["words"] == {"train": 6}
    assert TokenClassification().describe(head) == {"entities (bio)": "2: LOC 1, PER 1 in 6 words"}
    assert TokenClassification().monitor_for(head) == "f1"


def test_cells_of_csv() -> None:
    head = learned({"tokens": ["Ann lives", "Oslo"], "tags": ["B-PER O", "B-LOC"]})
    assert head["labels"] == ["O", "B-LOC", "B-PER", "I-LOC", "I-PER"]


def test_spans_of_text() -> None:
    assert (
        learned(TEXTS)["labels"]
        == ["O", "B-LOC", "B-PER", "I-LOC", "I-PER"]
        == learned(TEXTS, labels=["LOC", "PER"])["labels"]
    )
    bioes = learned(TEXTS, scheme="bioes")
    assert bioes["scheme"] == "bioes" and len(bioes["labels"]) == 9 and bioes["counts"]["train"]["LOC"] == 1
    json = learned({**TEXTS, "spans": ['[{"start": 0, "end": 3, "label": "PER"}]', ""]})
    assert json["labels"] == ["O", "B-PER", "I-PER"]


def test_plain_tags() -> None:
    head = learned({**TOKENS, "tags": [["N", "V", "P", "N", "N"], ["X"]]})
    assert (head["scheme"], head["labels"], head["frequent"]) == ("none", ["N", "P", "V", "X"], "N")
    assert head["counts"]["train"] == {"N": 3, "P": 1, "V": 1, "X": 1}
    assert TokenClassification().monitor_for(head) == "accuracy"
    assert TokenClassification(scheme="none").monitor == "accuracy"


def test_numbers_with_and_without_names() -> None:
    rows = {**TOKENS, "tags": [[1, 0, 0, 2, 3], [0]]}
    features = Features(
        {
            "tokens": Sequence(Value("string")),
            "tags": Sequence(ClassLabel(names=["O", "B-PER", "B-LOC", "I-LOC", "B-ORG"])),
        }
    )
    data = DatasetDict(train=Dataset.from_dict(rows, features=features))
    head = learn_head(TokenClassification(), data, NO_MODEL)
    assert head["labels"][:5] == ["O", "B-PER", "B-LOC", "I-LOC", "B-ORG"] and head["scheme"] == "bio"
    assert head["counts"]["train"] == {"PER": 1, "LOC": 1, "ORG": 0}
    named = learned(rows, labels=["O", "B-PER", "B-LOC", "I-LOC"])
    assert named["counts"]["train"] == {"PER": 1, "LOC": 1}
    assert learned(rows)["labels"] == ["0", "1", "2", "3"]
    assert "the tag 3, which is none of the 3 that have names" in problem(
        rows, labels=["O", "B-PER", "B-LOC"]
    )


def test_a_checkpoint_of_the_same_tags_keeps_their_order() -> None:
    order = ["I-PER", "O", "B-LOC", "I-LOC", "B-PER"]
    config = SimpleNamespace(id2label=dict(enumerate(order)))
    assert learned({**TOKENS, **TAGS}, config=config)["labels"] == order
    other = SimpleNamespace(id2label={0: "LABEL_0", 1: "LABEL_1"})
    assert learned({**TOKENS, **TAGS}, config=other)["labels"][0] == "O"


def test_empty_rows_are_counted() -> None:
    head = learned({"tokens": [["a", "b"], [], ""][:2], "tags": [["B-x", "O"], []]})
    assert head["empty"] == 1
    assert (
        TokenClassification().describe(head)["entities (bio)"].endswith("in 2 words; 1 rows without a word")
    )


FAULTS = [
    (
        {"tags": [["O"] * 4, ["O"]]},
        "data.columns.tags: 5 words and 4 tags: row 1 of train ('Ann lives in New York')",
    ),
    ({"tags": [None, ["O"]]}, "data.columns.tags: no tags: row 1 of train"),
    ({"tags": [["B-PER", "O", "O", None, "O"], ["O"]]}, "None is no tag: row 1 of train"),
    ({"tokens": [None, ["a"]]}, "data.columns.tokens: no words: row 1 of train"),
    ({"tags": [["O"] * 5, ["O"]]}, "the training data has only the tag 'O'"),
    ({"tags": [["B-PER", "O", "O", "B_LOC", "I-LOC"], ["O"]]}, "'B_LOC' among tags like 'B-PER'"),
]


@pytest.mark.parametrize(("change", "what"), FAULTS)
def test_bad_rows_are_named(change: dict[str, Any], what: str) -> None:
    assert what in problem({**TOKENS, **TAGS, **change})


@pytest.mark.parametrize(
    ("spans", "what"),
    [
        (
            [{"start": 0, "end": 2, "label": "PER"}],
            "PER 'An' (0 to 2) ends or begins inside of the word 'Ann'",
        ),
        ([{"start": 0, "end": 2, "label": "PER"}], "task.misaligned_spans=expand"),
        (
            [{"start": 0, "end": 99, "label": "PER"}],
            "no range in a text of 21 characters: row 1 of train ('Ann",
        ),
        (
            [{"start": 0, "end": 9, "label": "A"}, {"start": 4, "end": 9, "label": "B"}],
            "B 'lives' (4 to 9) overlaps A 'Ann lives' (0 to 9): row 1 of train",
        ),
    ],
)
def test_bad_spans_are_named(spans: list, what: str) -> None:
    assert what in problem({**TEXTS, "spans": [spans, []]})


def test_misaligned_spans_can_grow() -> None:
    head = learned(
        {**TEXTS, "spans": [[{"start": 1, "end": 5, "label": "X"}], []]}, misaligned_spans="expand"
    )
    assert head["counts"]["train"] == {"X": 1}


def test_tags_that_training_lacks() -> None:
    other = {"tokens": [["x", "y"]], "tags": [["B-ORG", "I-PERS"]]}
    said = problem({**TOKENS, **TAGS}, others={"validation": other})
    assert "tag 'B-ORG' never occurs in the training data: row 1 of validation ('x y')" in said
    assert "tag 'I-PERS'" in said and "did you mean: I-PER" in said and "task.labels=[…]" in said
    # What goes on is known wherever what begins is.
    fine = {"tokens": [["x", "y"]], "tags": [["B-PER", "I-PER"]]}
    assert "I-PER" in learned({**TOKENS, **TAGS}, others={"validation": fine})["labels"]
    names = ["O", "B-PER", "B-LOC", "B-ORG", "I-PERS"]
    assert learned({**TOKENS, **TAGS}, others={"validation": other}, labels=names)["labels"][:5] == names
    assert "tag 'I-PERS' is not in it" in problem(
        {**TOKENS, **TAGS}, others={"validation": other}, labels=names[:4]
    )


@pytest.mark.parametrize(
    ("train", "options", "what"),
    [
        ({**TOKENS, **TAGS}, {"scheme": "bioes", "labels": ["O", "X"]}, "task.scheme: bioes has no 'X'"),
        ({**TOKENS, "tags": [["S-a"] * 5, ["O"]]}, {"scheme": "bio"}, "task.scheme: bio has no 'S-a'"),
        (TEXTS, {"scheme": "none"}, "task.scheme: none has no tags for spans"),
        (TOKENS, {}, "data.columns.tags: train has the columns tokens"),
        ({"text": ["a b"], "tags": ["X Y"]}, {}, "data.columns.tokens=text"),
    ],
)
def test_what_does_not_go_together(train: dict[str, Any], options: dict[str, Any], what: str) -> None:
    assert what in problem(train, **options)


def test_every_split_needs_tags() -> None:
    assert "test lacks what train has" in problem({**TOKENS, **TAGS}, others={"test": TOKENS})
