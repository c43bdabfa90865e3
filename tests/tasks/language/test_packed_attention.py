"""What is found of architectures is what they are known to do."""

import pytest
import torch
import transformers

from pipeline.tasks.language.packed_attention import Reading, reading
from tests.models import families
from tests.models.families import FAMILIES


@pytest.mark.parametrize("family", [name for name in FAMILIES if families.is_decoder(name)])
def test_positions_keep_documents_apart(family: str) -> None:
    assert reading(families.config(family)) == Reading(forwards=True, apart=True)


@pytest.mark.parametrize(
    "config",
    [
        transformers.OPTConfig(),  # numbers positions by its padding mask
        transformers.BloomConfig(),  # has distances in place of positions
        transformers.MambaConfig(),  # is recurrent
        transformers.JambaConfig(),  # has both kinds of layers
    ],
    ids=lambda config: config.model_type,
)
def test_others_are_not_trusted(config: transformers.PretrainedConfig) -> None:
    assert reading(config) == Reading(forwards=True, apart=False)


@pytest.mark.parametrize("family", ["bert", "xlnet"])
def test_who_sees_what_comes_is_found_out(family: str) -> None:
    assert reading(families.config(family)).forwards is False


def test_what_cannot_be_tried_is_not_trusted() -> None:
    assert reading(families.config("t5")) == Reading(forwards=None, apart=False)


def test_random_numbers_go_on_as_if_nothing_had_been_tried() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    reading(families.config("llama"))
    assert torch.equal(torch.rand(2), expected)
