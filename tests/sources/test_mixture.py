"""Mixtures: chosen like any data, each source with keys of its own, encoded once whatever the weights."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from pipeline.compose.composing import compose, compose_onto
from pipeline.compose.run_spec import RunSpec, load
from pipeline.data.mixing import mixing
from pipeline.data.origins import visible
from pipeline.data.prepare import Prepared, load_splits, prepare
from pipeline.errors import BadInput
from pipeline.launch.ready import get_ready
from pipeline.runs.freezing import run_id
from pipeline.sources.base import Source
from pipeline.sources.files import Files
from pipeline.sources.mixture import OF_EACH, Mixture
from tests.conftest import ROOT
from tests.models import families

A, B = "data.sources.a", "data.sources.b"
MIXTURE = ["data=mixture", f"+data@{A}=files", f"+data@{B}=files"]


@pytest.fixture
def two(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Overrides of a run on 50 rows {title, body, stars} and 20 rows {text, label}."""
    monkeypatch.chdir(tmp_path)
    reviews = [
        {"title": f"t{i}", "body": f"the film number {i}", "stars": i % 2, "id": i, "extra": 0.5}
        for i in range(50)
    ]
    others = [{"text": f"a plot {i}", "label": ["bad", "good"][i % 2], "id": i} for i in range(20)]
    for name, rows in (("a", reviews), ("b", others)):
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        "model=auto",
        f"model.checkpoint={tiny_bert}",
        "hardware=cpu",
        "logger=csv",
        *MIXTURE,
        f"{A}.train=a.jsonl",
        f"{A}.columns.label=stars",
        f"{A}.template.texts.text='{{{{ title }}}} {{{{ body }}}}'",
        f"{A}.template.labels={{0: bad, 1: good}}",
        f"{B}.train=b.jsonl",
    ]


def spec_of(overrides: list[str]) -> RunSpec:
    return load(compose(overrides))


def prepared(spec: RunSpec) -> Prepared:
    return prepare(task=spec.task, checkpoint=spec.model, source=spec.data, strategy=spec.strategy)


def said(overrides: list[str]) -> dict[str, str]:
    with pytest.raises(BadInput) as raised:
        spec_of(overrides)
    return {p.where: f"{p.what} | {p.nearest}" for p in raised.value.problems}


def source(**options) -> Mixture:
    return Mixture(sources={"a": Files(train="a.csv"), "b": Files(train="b.csv")}, **options)


# --- composing


def test_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = spec_of(
        [
            "data=mixture",
            "+data@data.sources.movies=movie_snippets",
            "data@data.sources.mine=files",  # the + may be left out
            "data.sources.mine.train=reviews.csv",
            "data/template@data.sources.mine.template=title_and_text",
            "data.weights.movies=3",
            "data.weights.mine=1",
            "data.temperature=2",
        ]
    )
    movies, mine = spec.data.sources["movies"], spec.data.sources["mine"]
    assert type(movies).__name__ == "MovieSnippets" and movies.split.test == 0.2
    assert isinstance(mine, Files) and mine.train == "reviews.csv" and "title" in mine.template.names("text")
    assert spec.data.weights == {"movies": 3, "mine": 1} and spec.data.temperature == 2
    assert spec.choices["data@data.sources.movies"] == "movie_snippets"


OWN = """# My mixture.
defaults:
  - mixture
  - /data@sources.movies: movie_snippets
  - /data@sources.mine: mine
  - /data/template@sources.movies.template: sentiment_words
  - _self_
weights: {movies: 1, mine: 2}
sources:
  mine: {limit: 7}
"""
MINE = "# Mine.\ndefaults:\n  - files\n  - template: title_and_text\n  - _self_\ntrain: reviews.csv\n"


def test_from_a_file_of_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf/data").mkdir(parents=True)
    (tmp_path / "conf/data/both.yaml").write_text(OWN)
    (tmp_path / "conf/data/mine.yaml").write_text(MINE)
    spec = spec_of(["data=both"])
    mine = spec.data.sources["mine"]
    assert (mine.train, mine.limit, spec.data.weights) == ("reviews.csv", 7, {"movies": 1, "mine": 2})
    assert mine.template.texts and spec.data.sources["movies"].template.labels["0"] == "negative"
    # What a file chose is chosen anew with the same words that add it.
    for sign in ("", "+"):
        other = spec_of(
            [
                "data=both",
                f"{sign}data@data.sources.movies=bbc_news",
                f"{sign}data/template@data.sources.mine.template=null",
            ]
        )
        assert type(other.data.sources["movies"]).__name__ == "BbcNews"
        assert other.data.sources["mine"].template is None
    assert said(["data=both", "data.sources.movies.limt=3"]) == {
        "data.sources.movies.limt": "unknown key | limit"
    }


def test_from_a_defaults_list_with_the_full_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf/experiment").mkdir(parents=True)
    text = "# @package _global_\n# Both.\ndefaults:\n  - /data@data.sources.movies: movie_snippets\n"
    text += "  - /data@data.sources.news: bbc_news\n  - override /data: mixture\n"
    (tmp_path / "conf/experiment/both.yaml").write_text(text)
    assert sorted(spec_of(["experiment=both"]).data.sources) == ["movies", "news"]


def test_every_mistake_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = said(
        [
            *MIXTURE,
            f"{A}.trian=x.csv",
            f"{B}.split.tset=0.1",
            "data.sources.bb.train=x.csv",
            "data.temperature=0",
            "optimizer.lrr=1",
        ]
    )
    assert found == {
        f"{A}.trian": "unknown key | train",
        f"{B}.split.tset": "unknown key | test",
        "data.sources.bb": "no option is chosen for it (only: train) | b",
        "data.temperature": "0 is out of range | ",
        "optimizer.lrr": "unknown key | lr",
    }


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["data.weights.a=1", "data.weights.bb=1", f"{A}.audit=warn", "data.predict_as=c", "data.rows=1"],
            {
                "data.weights.b": "must be set: the other sources have weights | ",
                "data.weights.bb": "there is no source of this name | b",
                f"{A}.audit": "is said of all sources at once | ",
                "data.rows": "1 cannot hold an example of each of the 2 sources | ",
                "data.predict_as": "there is no source 'c' | ",
            },
        ),
        (
            ["data.weights={a: -1, b: 0}", f"{B}._target_=os.system", "data.score_each=yes please"],
            {
                "data.weights.a": "-1 is out of range | ",
                "data.weights.b": "0 is out of range | ",
                f"{B}._target_": "'os.system' is not allowed | ",
                "data.score_each": "'yes please' is not true or false | ",
            },
        ),
        (
            ["data.columns.text=x", "data.split.test=0.3", f"{B}=files"],
            {
                "data.columns": "is what each source has for itself | ",
                "data.split": "is what each source has for itself | ",
                B: "no option is chosen for it (only: 'files') | ",
            },
        ),
        (
            [f"+data@{B}=fils", "seed=-1"],
            {f"data@{B}": "'fils' is not an option of it | files", "seed": "-1 is out of range | "},
        ),
    ],
)
def test_what_does_not_go_together(tmp_path, monkeypatch, overrides, expected):
    monkeypatch.chdir(tmp_path)
    assert said([*MIXTURE, *overrides]) == expected


def test_one_source_is_no_mixture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "only a" in said(["data=mixture", f"+data@{A}=files"])["data.sources"]


def test_a_frozen_mixture_takes_other_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = compose([*MIXTURE, f"{A}.train=a.csv", f"{B}.train=b.csv"])
    one = load(compose_onto(before, ["+data@data.sources.b=movie_snippets"])).data
    assert type(one.sources["b"]).__name__ == "MovieSnippets" and one.sources["a"].train == "a.csv"
    now = compose_onto(before, ["data=files", "data.test=new.csv", "data/template=sentiment_words"])
    assert load(now).data.template.labels and load(now).data.test == "new.csv"
    assert not any("@" in name for name in now.choices)


def test_the_yaml_lists_its_keys_with_their_defaults():
    given = yaml.safe_load((ROOT / "conf/data/mixture.yaml").read_text())
    del given["_target_"]
    assert set(given) == {field.name for field in dataclasses.fields(Mixture)} - set(OF_EACH)
    plain = source()
    values = {name: getattr(plain, name) for name in given if name not in ("sources", "augmentation")}
    assert values == {name: given[name] for name in values}


# --- shares


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"a": 900, "b": 100}),
        ({"rows": 100}, {"a": 90, "b": 10}),
        ({"weights": {"a": 1, "b": 3}}, {"a": 250, "b": 750}),
        ({"temperature": 2}, {"a": 750, "b": 250}),  # √900 : √100 = 3 : 1
        ({"temperature": 1e9}, {"a": 500, "b": 500}),
        ({"weights": {"a": 1e-9, "b": 1}}, {"a": 1, "b": 999}),
        ({"weights": {"a": 1, "b": 2}, "rows": 10}, {"a": 3, "b": 7}),
        ({"temperature": 1e-4}, {"a": 999, "b": 1}),
        ({"rows": 2}, {"a": 1, "b": 1}),
    ],
)
def test_shares(options, expected):
    assert source(**options).draws({"a": 900, "b": 100}) == expected


def test_limits_of_the_whole_hold_for_each():
    mixed = Mixture(sources={"a": Files(limit=5), "b": Files()}, limit=9, overfit=2, on_bad_rows="skip")
    assert [(p.limit, p.overfit, p.on_bad_rows) for p in mixed.parts().values()] == [
        (5, 2, "skip"),
        (9, 2, "skip"),
    ]


# --- rows


def test_rows_are_stored_once_source_after_source(two: list[str]):
    found = prepared(spec_of(two))
    raw, encoded = (load_splits(found.folder, kind) for kind in ("raw", "encoded"))
    assert found.rows == {"train": 56, "validation": 7, "test": 7}
    assert found.segments == {"a": {"rows": 40, "examples": 40}, "b": {"rows": 16, "examples": 16}}
    texts = raw["train"]["text"][:]
    assert all(text.startswith("t") for text in texts[:40]) and not any(t.startswith("t") for t in texts[40:])
    assert set(raw["train"]["label"][:]) == {"bad", "good"}
    assert encoded["train"]["row"][:] == list(range(56))
    # id is in both and of one kind; the others are not.
    assert set(visible(raw["train"].column_names)) == {"text", "label", "id"}


def test_the_order_in_which_sources_are_written_changes_nothing(two: list[str]):
    swapped = [two[i] for i in (*range(5), 6, 5, *range(7, len(two)))]
    assert swapped != two and prepared(spec_of(swapped)) == dataclasses.replace(
        prepared(spec_of(two)), cached=True
    )


def test_weights_encode_nothing_again_and_make_another_run(two: list[str]):
    spec = spec_of(two)
    first, ids = prepared(spec), set()
    for more in ([], ["data.weights.a=1", "data.weights.b=2"], ["data.temperature=3"], ["data.rows=30"]):
        spec = spec_of([*two, *more])
        found = prepared(spec)
        assert found.folder == first.folder and (found.cached or not more)
        ids.add(run_id(spec, found))
    assert len(ids) == 4
    assert run_id(spec, found) == run_id(spec_of([*two, "data.rows=30", "data.predict_as=a"]), found)


def test_what_is_wrong_in_each_source_is_said_at_once_under_its_keys(two: list[str]):
    with pytest.raises(BadInput) as raised:
        prepared(spec_of([*two, f"{A}.columns.body=bodi", f"{B}.columns.label=labl"]))
    first, second = raised.value.problems
    assert first.where == f"{A}.template.texts.text" and first.nearest == "body"
    assert second.where == f"{B}.columns.label" and f"{B}.columns.label=NAME" in second.allowed
    with pytest.raises(BadInput) as raised:
        prepared(spec_of([*two, f"{A}.train=c.jsonl", f"{B}.train=d.jsonl"]))
    assert [p.where for p in raised.value.problems] == [f"{A}.train", f"{B}.train"]


def test_labels_of_unequal_kinds_are_refused(two: list[str]):
    with pytest.raises(BadInput) as raised:
        prepared(spec_of([*two, f"{A}.template.labels=null", f"~{A}.template.labels"]))
    (problem,) = raised.value.problems
    assert problem.where == "data.sources" and "'label'" in problem.what
    assert "int64 in a, string in b" in problem.what.replace("large_string", "string")


def test_a_column_that_one_source_lacks_is_empty_there(two: list[str]):
    more = [f"{A}.template.texts.text_pair='{{{{ body }}}}'"]
    with pytest.raises(BadInput, match="text_pair: no text"):
        prepared(spec_of([*two, *more]))


def test_sources_can_be_scored_by_themselves(two: list[str]):
    found = prepared(spec_of([*two, "data.score_each=true", f"{B}.validation={{own: b.jsonl}}"]))
    assert found.rows == {
        "train": 58,
        "validation": 5,
        "validation_a": 5,
        "validation_b_own": 20,
        "test": 7,
        "test_a": 5,
        "test_b": 2,
    }


def test_class_names_are_what_joins_numbered_classes(monkeypatch):
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    from pipeline.data.joining import joined

    def numbered(names: list[str], labels: list[int]) -> DatasetDict:
        features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
        rows = {"text": ["x"] * len(labels), "label": labels}
        return DatasetDict({"train": Dataset.from_dict(rows, features=features)})

    mixed = source()
    given = {"a.csv": numbered(["no", "yes"], [0, 1]), "b.csv": numbered(["yes", "no"], [0, 1])}
    found = joined(mixed, lambda part: given[part.train], ["text", "label"])
    assert found.data["train"]["label"][:] == ["no", "yes", "yes", "no"]
    given["b.csv"] = given["a.csv"]
    assert joined(mixed, lambda part: given[part.train], ["label"]).data["train"].features["label"].names


def test_sources_are_not_packed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    decoder = families.with_head("gpt2", "AutoModelForCausalLM", tmp_path / "gpt2")
    for name, word in {"a": "film", "b": "plot"}.items():
        (tmp_path / f"{name}.txt").write_text(f"{word} {word} {word}\n" * 40)
    texts = [f"{A}.train=a.txt", f"{B}.train=b.txt", "data.weights={a: 1, b: 5}"]
    model = ["task=causal_lm", "task.max_length=16", "model=auto", f"model.checkpoint={decoder}"]
    spec = spec_of([*MIXTURE, *texts, *model])
    found = prepared(spec)
    tokenizer = spec.model.tokenizer(found.checkpoint["folder"])
    for split, rows in load_splits(found.folder, "encoded").items():
        assert len(rows) < found.rows[split], "nothing was packed"
        border = {"train": found.segments["a"]["examples"]}.get(split, len(rows) // 2)
        for number, ids in enumerate(rows["input_ids"][:]):
            text = tokenizer.decode(ids)
            assert ("film" in text, "plot" in text) == (number < border, number >= border), (split, text)


# --- what a run is told


def test_the_plan_shows_sources_and_shares(two: list[str]):
    ready = get_ready(spec_of([*two, "data.weights.a=1", "data.weights.b=3", "trainer.batch_size=8"]))
    lines = dict(ready.plan())
    assert lines["source"] == "a: train: a.jsonl; b: train: b.jsonl"
    assert lines["  a"] == "40 rows, 25.0% of an epoch, each seen 0.35 × an epoch"
    assert lines["  b"] == "16 rows, 75.0% of an epoch, each seen 2.62 × an epoch"
    assert ready.schedule.steps_per_epoch == 7
    mixed = mixing(ready.spec.data, ready.prepared.segments)
    lengths = load_splits(ready.prepared.folder, "encoded")["train"].with_format("numpy")["length"][:]
    seen = sum(int(lengths[mixed.draw(0, epoch)].sum()) for epoch in range(ready.schedule.epochs))
    assert ready.schedule.epochs > 1 and ready.schedule.tokens == seen


def test_another_length_of_an_epoch(two: list[str]):
    ready = get_ready(spec_of([*two, "data.rows=24", "trainer.batch_size=8", "trainer.max_epochs=2"]))
    assert (ready.schedule.steps_per_epoch, ready.schedule.total_steps) == (3, 6)


def test_a_source_alone_is_no_mixture():
    assert Source().parts() == {} and mixing(Source(), {}) is None
