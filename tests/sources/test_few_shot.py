from collections import Counter

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from pipeline.errors import BadInput
from pipeline.sources.base import Split
from pipeline.sources.bbc_news import BbcNews
from pipeline.sources.few_shot import draw_examples
from pipeline.sources.splitting import split
from tests.specs import spec_of


def rows(labels, **features):
    made = {"id": list(range(len(labels))), "label": labels}
    return Dataset.from_dict(made, Features(id=Value("int64"), **features) if features else None)


def problem(*args, **options):
    with pytest.raises(BadInput) as bad:
        draw_examples(*args, **options)
    [found] = bad.value.problems
    assert found.where == "data.examples_per_class"
    return found


def test_each_class_has_as_many_and_the_order_stays():
    data = rows([f"c{i % 5}" for i in range(500)])
    drawn = draw_examples(data, 8, seed=0)
    assert Counter(drawn["label"]) == dict.fromkeys([f"c{i}" for i in range(5)], 8)
    assert drawn["id"][:] == sorted(drawn["id"][:])


def test_the_seed_decides_and_fewer_are_a_part_of_more():
    data = rows([i % 3 for i in range(300)])
    small, large, other = (set(draw_examples(data, n, seed)["id"]) for n, seed in ((4, 1), (16, 1), (4, 2)))
    assert small < large and small != other
    assert small == set(draw_examples(data, 4, 1)["id"])


@pytest.mark.parametrize("kind", [str, int, float, bool])
def test_labels_of_every_type(kind):
    values = {str: ["a", "b"], int: [0, 1], float: [0.0, 1.0], bool: [True, False]}[kind]
    assert Counter(draw_examples(rows(values * 10), 3, 0)["label"]) == dict.fromkeys(values, 3)


def test_classes_with_too_few_rows_are_named():
    labels = ["ü"] * 3 + ["b"] * 9 + ["c"] * 2
    found = problem(rows(labels), 4, 0)
    assert "'c' has 2, 'ü' has 3" in found.what and "'b'" not in found.what
    assert found.allowed.startswith("at most 2,")
    named = rows([0, 0, 1], label=ClassLabel(names=["ham", "spam"]))
    assert "'spam' has 1" in problem(named, 2, 0).what


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([["a"], ["a", "b"]], "row 1 of train has several labels: ['a']"),
        ([1.0, 0.5], "row 2 of train has the number 0.5 as label"),
        ([1.0, float("nan")], "row 2 of train has no label"),
        (["a", None], "row 2 of train has no label"),
        (["a", ""], "row 2 of train has no label"),
    ],
)
def test_labels_that_are_no_classes(labels, said):
    assert said in problem(rows(labels), 1, 0).what


def test_without_labels():
    found = problem(Dataset.from_dict({"text": ["a"], "stars": [1]}), 1, 0)
    assert "text, stars" in found.allowed


def test_held_out_rows_stay_whole_and_the_same():
    data = DatasetDict(train=rows([f"c{i % 4}" for i in range(400)]))
    whole, few = split(data, Split()), split(data, Split(), examples_per_class=8, examples_seed=3)
    assert {name: len(part) for name, part in few.items()} == {"train": 32, "validation": 40, "test": 40}
    for name in ("validation", "test"):
        assert few[name]["id"][:] == whole[name]["id"][:]
    assert set(few["train"]["id"]) < set(whole["train"]["id"])
    alone = split(DatasetDict(test=data["train"]), Split(), examples_per_class=8)
    assert len(alone["test"]) == 400


def test_a_limit_holds_for_the_other_splits_and_is_refused_below_the_examples():
    data = DatasetDict(train=rows([i % 4 for i in range(400)]))
    found = split(data, Split(), examples_per_class=4, limit=20)
    assert {name: len(part) for name, part in found.items()} == {"train": 16, "validation": 20, "test": 20}
    with pytest.raises(BadInput, match=r"data\.limit: 10 is less than the 16 rows"):
        split(data, Split(), examples_per_class=4, limit=10)
    assert len(split(data, Split(), examples_per_class=4, overfit=10, limit=5)["train"]) == 10


def test_a_source_gives_them_and_is_another_run():
    from pipeline.runs.identity import digest

    source = BbcNews(examples_per_class=8)
    data = source.hold_out(source.load())
    assert set(Counter(data["train"]["label"]).values()) == {8} and len(data["test"]) == 425
    asked = [source, BbcNews(), BbcNews(examples_per_class=8, examples_seed=1)]
    assert len({digest(kind) for kind in asked}) == 3


def test_texts_with_several_labels_have_no_examples_of_one_class():
    spec_of(["data.examples_per_class=8"])
    with pytest.raises(BadInput, match=r"data\.examples_per_class: .*any number of labels"):
        spec_of(["data.examples_per_class=8", "task.multi_label=true"])
