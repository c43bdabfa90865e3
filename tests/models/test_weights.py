"""Weights that are missing or cut short are found without reading them."""

import json
from pathlib import Path

import pytest
from transformers import AutoModel

from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.weights import check_weights
from tests.models import families


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint in several parts."""
    whole = families.pretrained("bert", tmp_path / "whole")
    parts = tmp_path / "parts"
    AutoModel.from_pretrained(whole).save_pretrained(parts, max_shard_size="20KB")
    assert len(list(parts.glob("model-*.safetensors"))) > 1
    return parts


def test_whole_weights_pass(folder: Path):
    check_weights(str(folder))
    assert Checkpoint(checkpoint=str(folder)).locate().folder == str(folder)


def test_a_part_that_is_missing(folder: Path):
    gone = sorted(folder.glob("model-*.safetensors"))[1]
    gone.unlink()
    with pytest.raises(BadInput, match=f"parts of the weights in .* are missing: {gone.name}"):
        check_weights(str(folder))


def test_a_part_that_was_cut_short(folder: Path):
    part = sorted(folder.glob("model-*.safetensors"))[0]
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(BadInput, match=f"cannot be read: {part.name}"):
        Checkpoint(checkpoint=str(folder)).locate()


def test_an_index_that_is_none(folder: Path):
    (folder / "model.safetensors.index.json").write_text(json.dumps([1]))
    with pytest.raises(BadInput, match="is no index of weights"):
        check_weights(str(folder))
