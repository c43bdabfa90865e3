import json

import pytest

from tests.fetch.fake_hub import COMMIT, FakeHub, run_with_hub

CARD = b"""---
configs:
- config_name: plain
  data_files:
  - {split: train, path: plain/train.csv}
  - {split: validation, path: plain/dev.csv}
- config_name: other
  data_files:
  - {split: train, path: other.csv}
---
# A data set
"""

LOAD = """
import json
from pipeline.errors import BadInput
from pipeline.sources.hub import Hub
for options in {many!r}:
    source = Hub(**options)
    try:
        rows = {{split: rows.to_list() for split, rows in source.load().items()}}
        print(json.dumps({{"rows": rows, "fingerprint": source.fingerprint(), "told": source.told()}}))
    except BadInput as bad:
        print(json.dumps([[problem.where, str(problem)] for problem in bad.problems]))
"""


@pytest.fixture
def hub():
    with FakeHub() as served:
        served.repos["datasets/owner/set"] = {
            ".gitattributes": b"",
            "README.md": CARD,
            "plain/train.csv": b"text,label\n" + b"".join(b"t%d,%d\n" % (i, i % 2) for i in range(10)),
            "plain/dev.csv": b"text,label\nd,1\n",
            "other.csv": b"text,label\no,0\n",
        }
        yield served


@pytest.fixture
def load(hub, cache, tmp_path):
    def run(*many, **environment):
        """What each of the sources with these options loads, or its problems."""
        settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), **environment}
        code = LOAD.format(many=[{"dataset": "owner/set", **options} for options in many])
        return [json.loads(line) for line in run_with_hub(code, **settings).splitlines()]

    return run


PLAIN = {"name": "plain"}


def test_splits_by_default_by_name_and_by_slice(load):
    chosen = {"train": "train[:80%]", "test": "train[-2:]+validation"}
    default, sliced = (loaded["rows"] for loaded in load(PLAIN, {**PLAIN, "splits": chosen}))
    assert {split: len(each) for split, each in default.items()} == {"train": 10, "validation": 1}
    assert default["train"][3] == {"text": "t3", "label": 1}
    assert [row["text"] for row in sliced["train"]] == [f"t{i}" for i in range(8)]
    assert [row["text"] for row in sliced["test"]] == ["t8", "t9", "d"]


def test_commit_stays_without_a_network(load):
    [before] = load(PLAIN)
    assert before["told"] == f"owner/set, plain (hub, main, commit {COMMIT})"
    assert load(PLAIN, HF_ENDPOINT="http://127.0.0.1:9") == [before]
    offline, [[where, message]] = load(PLAIN, {"name": "other"}, HF_HUB_OFFLINE="1")
    assert offline == before
    # That configuration of the same commit was never fetched, and nothing else stands in for it.
    assert where == "data.dataset"
    assert COMMIT[:12] in message


def test_fingerprint_is_of_commit_configuration_and_splits(load):
    fewer = {**PLAIN, "splits": {"train": "train[:5]"}}
    loaded = load(PLAIN, {"name": "other"}, fewer, {**PLAIN, "revision": "v1"})
    prints = [each["fingerprint"] for each in loaded]
    assert len(set(prints)) == 3
    assert prints[3] == prints[0]


def test_mistakes(load, hub):
    hub.repos["datasets/owner/gated"] = "GatedRepo"
    unknown, unnamed, splits, no_split, absent, revision, gated = load(
        {"name": "plane"},
        {},
        {**PLAIN, "splits": {"train": "trian", "test": "tset"}},
        {"name": "other", "splits": {"test": None}},
        {"dataset": "owner/none"},
        {"revision": "v9"},
        {"dataset": "owner/gated"},
    )
    for [[where, message]] in (unknown, unnamed):
        assert where == "data.name"
        assert "plain" in message
    assert [where for where, _ in splits] == ["data.splits.train", "data.splits.test"]
    assert "did you mean: train" in splits[0][1]
    assert "validation" in splits[1][1]
    assert no_split[0][0] == "data.splits"
    assert "there is no dataset" in absent[0][1]
    assert revision[0][0] == "data.revision"
    assert f"{hub.url}/datasets/owner/gated" in gated[0][1]
