"""What a yaml says of an architecture's heads is what transformers has, and means what its name says."""

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import transformers
import yaml

from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.heads import AUTO_CLASSES, HeadName, auto_class, heads_of
from pipeline.strategies.parts import backbone_parts
from tests.models import families
from tests.models.families import FAMILIES

MODELS = Path(__file__).parents[2] / "conf" / "model"
OPTIONS = sorted(file.stem for file in MODELS.glob("*.yaml") if file.stem != "auto")


def test_every_name_stands_for_a_class() -> None:
    assert set(AUTO_CLASSES) == set(get_args(HeadName))
    assert all(hasattr(transformers, name) for name in AUTO_CLASSES.values())


@pytest.mark.parametrize("option", OPTIONS)
def test_a_yaml_says_what_transformers_has(option: str) -> None:
    values = yaml.safe_load((MODELS / f"{option}.yaml").read_text())
    config = families.config(families.family_of(option))
    assert values["heads"] == heads_of(config)
    for head in values["heads"]:
        assert type(config) in getattr(transformers, AUTO_CLASSES[head])._model_mapping


@pytest.mark.parametrize("family", FAMILIES)
def test_left_out_are_those_that_would_not_do_what_they_say(family: str) -> None:
    config = families.config(family)
    there = {
        head
        for head, auto in AUTO_CLASSES.items()
        if type(config) in getattr(transformers, auto)._model_mapping
    }
    left_out = there - set(heads_of(config))
    allowed = {
        "encoder": {"causal_lm", "pretraining", "text_encoding"},
        "decoder": {"pretraining"},
        "encoder_decoder": {"causal_lm", "pretraining", "backbone"},
    }
    assert left_out <= allowed[FAMILIES[family].kind]


@pytest.mark.parametrize(
    "family", [name for name, family in FAMILIES.items() if family.kind != "encoder_decoder"]
)
def test_a_causal_head_never_sees_what_comes_after(family: str) -> None:
    config = families.config(family)
    if type(config) not in transformers.AutoModelForCausalLM._model_mapping:
        return
    model = families.random_model(family, "AutoModelForCausalLM")
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    other = ids.clone()
    other[0, -1] = 10
    causal = torch.equal(model(ids).logits[:, :-1], model(other).logits[:, :-1])
    assert causal == ("causal_lm" in heads_of(config))


def test_an_encoder_that_is_told_to_read_forwards_is_a_decoder() -> None:
    assert "causal_lm" in heads_of(families.config("bert", is_decoder=True))


def test_pretraining_is_bert_with_the_next_sentence() -> None:
    assert [name for name in FAMILIES if "pretraining" in heads_of(families.config(name))] == ["bert"]
    output: Any = families.random_model("bert", "AutoModelForPreTraining")(**families.batch())
    assert output.seq_relationship_logits.shape == (4, 2)


def test_the_first_that_there_is_gets_chosen() -> None:
    heads = ["seq2seq_lm", "causal_lm"]
    assert auto_class(families.config("t5"), heads) == "AutoModelForSeq2SeqLM"
    assert auto_class(families.config("gpt2"), heads) == "AutoModelForCausalLM"
    with pytest.raises(BadInput, match="xlnet cannot do CausalLM, because as this head is made"):
        auto_class(families.config("xlnet"), ["causal_lm"])
    with pytest.raises(BadInput, match="marian cannot do TokenClassification, because transformers has no"):
        auto_class(families.config("marian"), ["token_classification"])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pretrained", ["masked_lm", "seq2seq_lm", "causal_lm"])
def test_every_head_finds_the_backbone_of_a_language_model(
    family: str, pretrained: Any, tmp_path: Path
) -> None:
    config = families.config(family)
    if pretrained not in heads_of(config):
        return
    folder = families.with_head(family, AUTO_CLASSES[pretrained], tmp_path)
    checkpoint = Checkpoint(checkpoint=folder)
    for head in heads_of(config):
        model, report = checkpoint.build(folder, [head], checkpoint.config(folder))
        # BERT's pooler is no part of a masked language model.
        new = {name.split(".")[0] for name in report.initialised if "pooler" not in name}
        parts = backbone_parts(model)
        assert not new & {name for name, module in model.named_children() if module in parts}, head
