"""The depth of every weight, in every family; compared with what is known of their names."""

import re
from typing import Any

import pytest
import transformers

from pipeline.errors import BadInput
from pipeline.strategies.depth import called, depths
from tests.models import families
from tests.models.families import CLASSIFIERS, FAMILIES

# What stands above the last layer beside the head, by the names that architectures give it.
ABOVE = re.compile(r"pooler|final_norm|\.ln_f|^model\.norm|decoder\.final_layer_norm")


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_depths_follow_the_layers_of_the_architecture(family: str) -> None:
    model = families.classifier(family)
    found, layers = depths(model, "strategy.layer_decay")
    two_stacks = FAMILIES[family].kind == "encoder_decoder"
    assert layers == (4 if two_stacks else 2)
    assert found.keys() == dict(model.named_parameters()).keys()
    for name, depth in found.items():
        number = re.search(r"\.(\d)\.", name)
        if name.split(".")[0] in FAMILIES[family].heads or ABOVE.search(name):
            assert depth == layers + 1, name
        elif number:
            assert depth == int(number[1]) + 1 + 2 * (two_stacks and ".decoder." in name), name
        elif "encoder.final_layer_norm" in name:
            assert depth == 2, name
        else:
            assert depth == 0 and re.search("emb|wte|wpe|shared", name), name


def test_every_language_model_is_in_order_too() -> None:
    gpt2, layers = depths(families.random_model("gpt2", "AutoModelForCausalLM"), "x")
    assert layers == 2 and gpt2["transformer.wte.weight"] == 0 and gpt2["transformer.ln_f.weight"] == 3
    t5: Any = families.random_model("t5", "AutoModelForQuestionAnswering")
    found, layers = depths(t5, "x")
    assert layers == 4 and found["shared.weight"] == 0 and found["qa_outputs.weight"] == 5
    bare, layers = depths(families.random_model("bert", "AutoModel"), "x")
    assert layers == 2 and bare["pooler.dense.weight"] == 3 and bare["encoder.layer.1.output.dense.bias"] == 2


def test_layers_in_several_lists_and_lists_of_layers() -> None:
    xlm = transformers.XLMConfig(vocab_size=20, emb_dim=8, n_layers=3, n_heads=2)
    found, layers = depths(transformers.XLMForSequenceClassification(xlm), "x")
    assert layers == 3
    for name, depth in found.items():
        if number := re.match(r"transformer\.(?:attentions|layer_norm\d|ffns)\.(\d)", name):
            assert depth == int(number[1]) + 1, name
    funnel = transformers.FunnelConfig(
        vocab_size=20, block_sizes=[2, 1], d_model=8, n_head=2, d_head=4, d_inner=8, num_decoder_layers=1
    )
    found, layers = depths(transformers.FunnelForSequenceClassification(funnel), "x")
    assert layers == 3 and found["funnel.encoder.blocks.1.0.ffn.linear_1.weight"] == 3


def test_a_model_whose_layers_are_one_is_refused() -> None:
    config = transformers.AlbertConfig(
        vocab_size=20, embedding_size=8, hidden_size=8, num_attention_heads=2, intermediate_size=8
    )
    with pytest.raises(
        BadInput, match="AlbertForSequenceClassification has no layers that could be told apart"
    ):
        depths(transformers.AlbertForSequenceClassification(config), "strategy.layer_decay")


def test_names_for_people() -> None:
    assert [called(depth, 2) for depth in range(4)] == ["embeddings", "layer 1", "layer 2", "top"]
