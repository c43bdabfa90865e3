from collections import Counter

import pytest
from datasets import Dataset, DatasetDict

from pipeline.errors import BadInput
from pipeline.sources.base import Split
from pipeline.sources.splitting import split


def rows(count, classes=2, **columns):
    made = {
        "id": list(range(count)),
        "text": [f"text {i}" for i in range(count)],
        "label": sorted(f"class {i % classes}" for i in range(count)),
    }
    return Dataset.from_dict({**made, **columns})


def divided(data, limit=None, overfit=None, **options):
    data = DatasetDict(data if isinstance(data, dict) else {"train": data})
    return {
        name: part["id"][:]
        for name, part in split(data, Split(**options), limit=limit, overfit=overfit).items()
    }


def labels(data, ids):
    return Counter(data["label"][i] for i in ids)


def problems(*args, **options):
    with pytest.raises(BadInput) as bad:
        divided(*args, **options)
    return bad.value.problems


@pytest.mark.parametrize("seed", [0, 1])
def test_fractions_are_of_all_rows_and_nothing_overlaps(seed):
    data = rows(1000, classes=4)
    parts = divided(data, validation=0.1, test=0.2, seed=seed)
    assert {name: len(ids) for name, ids in parts.items()} == {"train": 700, "validation": 100, "test": 200}
    assert sorted(i for ids in parts.values() for i in ids) == list(range(1000))
    for ids in parts.values():
        assert set(labels(data, ids).values()) == {len(ids) // 4}


def test_seed_decides():
    data = rows(100)
    assert divided(data, seed=0) == divided(data, seed=0)
    assert divided(data, seed=0) != divided(data, seed=1)


def test_given_splits_stay(caplog):
    data = {"train": rows(100), "test": rows(7)}
    parts = divided(data, validation=0.2, test=0.5)
    assert parts["test"] == list(range(7))
    assert (len(parts["train"]), len(parts["validation"])) == (80, 20)
    named = divided({"train": rows(100), "validation_en": rows(5), "validation_de": rows(6)}, test=0.1)
    assert {name: len(ids) for name, ids in named.items()} == {
        "train": 90,
        "validation_en": 5,
        "validation_de": 6,
        "test": 10,
    }
    everything = {"train": rows(10), "validation": rows(3), "test": rows(4)}
    assert divided(everything) == {name: list(range(len(part))) for name, part in everything.items()}


def test_nothing_held_out():
    assert divided(rows(10), validation=0, test=0) == {"train": list(range(10))}
    assert set(divided(rows(10), validation=0.0, test=0.2)) == {"train", "test"}
    assert divided({"test": rows(4)}) == {"test": [0, 1, 2, 3]}


def test_a_small_fraction_holds_out_one_row():
    assert {name: len(ids) for name, ids in divided(rows(5)).items()} == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }


def test_label_that_cannot_be_stratified_is_split_at_random():
    for column in (
        {"label": [0.1 * i for i in range(50)]},
        {"label": [[i % 2, 1] for i in range(50)]},
        {"label": ["rare", *["often"] * 49]},
        {"label": [f"one of {i}" for i in range(50)]},
        {"label": [None, *["often"] * 49]},
    ):
        parts = divided(rows(50, **column), validation=0.1, test=0.1)
        assert {name: len(ids) for name, ids in parts.items()} == {"train": 40, "validation": 5, "test": 5}


def test_stratify_by_a_column_of_choice():
    data = rows(200, source=[f"s{i % 10}" for i in range(200)])
    parts = divided(data, stratify_by="source", test=0.1, validation=0.1)
    for ids in (parts["test"], parts["validation"]):
        assert set(Counter(data["source"][i] for i in ids).values()) == {2}


def test_groups_stay_together():
    groups = [f"g{i // 7}" for i in range(700)]
    data = rows(700, group=groups)
    for options in (
        {},
        {"stratify_by": "label"},
        {"folds": 5, "fold": 2},
        {"folds": 5, "stratify_by": "label"},
    ):
        parts = divided(data, group_by="group", validation=0.1, test=0.2, **options)
        held = [{groups[i] for i in ids} for ids in parts.values()]
        assert sum(map(len, held)) == len(set.union(*held)) == 100
        assert sorted(i for ids in parts.values() for i in ids) == list(range(700))
        assert 0.15 < len(parts["test"]) / 700 < 0.25


def test_stratified_groups_keep_the_shares():
    data = rows(1000, group=[i // 5 for i in range(1000)], label=[str(i // 5 % 4 == 0) for i in range(1000)])
    parts = divided(data, group_by="group", stratify_by="label", validation=0.2, test=0.2)
    for ids in parts.values():
        assert abs(labels(data, ids)["True"] / len(ids) - 0.25) < 0.03


@pytest.mark.parametrize("options", [{}, {"group_by": "id"}])
def test_folds_cover_everything_once(options):
    data = rows(103, classes=3)
    runs = [divided(data, folds=5, fold=fold, test=0.2, **options) for fold in range(5)]
    assert len({tuple(run["test"]) for run in runs}) == 1
    held = sorted(i for run in runs for i in run["validation"])
    assert sorted(held + runs[0]["test"]) == list(range(103))
    for run in runs:
        assert not set(run["train"]) & set(run["validation"])


def test_folds_are_stratified_by_label():
    data = rows(300, classes=3)
    for fold in range(5):
        counts = labels(data, divided(data, folds=5, fold=fold, test=0)["validation"])
        assert set(counts.values()) == {20}


def test_limit_draws_from_everywhere_and_keeps_the_order():
    data = {"train": rows(1000), "validation": rows(5), "test": rows(1000)}
    small, large = divided(data, limit=20), divided(data, limit=40)
    assert {name: len(ids) for name, ids in small.items()} == {"train": 20, "validation": 5, "test": 20}
    assert set(small["train"]) < set(large["train"])
    assert small["train"] == sorted(small["train"])
    assert len(labels(data["train"], small["train"])) == 2


def test_overfit_uses_the_same_rows_everywhere():
    parts = divided(rows(100), overfit=8, limit=4)
    assert set(parts) == {"train", "validation", "test"}
    assert len({tuple(ids) for ids in parts.values()}) == 1
    assert len(parts["train"]) == 8
    named = divided({"train": rows(50), "validation_a": rows(3)}, overfit=2)
    assert set(named) == {"train", "validation_a", "test"}


def test_unknown_columns_and_folds_together():
    found = problems(rows(50), stratify_by="labell", group_by="author", folds=3, fold=3)
    assert {problem.where: problem.nearest for problem in found} == {
        "data.split.stratify_by": "label",
        "data.split.group_by": "",
        "data.split.fold": "",
    }
    assert "id, text, label" in found[0].allowed
    assert found[2].allowed == "0 to 2"


def test_folds_beside_a_validation_split():
    [found] = problems({"train": rows(50), "validation": rows(5)}, folds=3)
    assert found.where == "data.split.folds"


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (rows(50), {"validation": 0.5, "test": 0.5}),
        (rows(2), {}),
        (rows(1), {"validation": 0.1, "test": 0}),
        (rows(4), {"folds": 5, "test": 0}),
        (rows(50, group=[1] * 50), {"group_by": "group"}),
        (rows(50, group=[i % 2 for i in range(50)]), {"group_by": "group"}),
    ],
)
def test_too_few_rows(data, options):
    [found] = problems(data, **options)
    assert found.where == "data.split"


def test_shares_that_cannot_be_kept():
    [found] = problems(rows(50, label=["rare", *["often"] * 49]), stratify_by="label")
    assert found.where == "data.split.stratify_by"
    assert "rarest has 1" in found.what
