"""Full fine-tuning trains everything."""

import pytest
import torch
import transformers

from pipeline.strategies.base import trained_keys
from pipeline.strategies.full import Full
from tests.models import families


def test_everything_is_trained() -> None:
    model = families.classifier("bert").requires_grad_(False)
    adapted = Full().adapt(model)
    assert all(parameter.requires_grad for parameter in adapted.parameters())
    assert trained_keys(adapted) == set(adapted.state_dict())
    Full().train_mode(adapted)
    assert all(module.training for module in adapted.modules())
    assert Full().merge(adapted) is adapted
    assert Full().save(adapted, "nowhere") == ()


ESM = transformers.EsmConfig(
    **families.BERT, vocab_size=24, pad_token_id=0, mask_token_id=1, max_position_embeddings=66
)
ROFORMER = transformers.RoFormerConfig(**families.BERT, vocab_size=24, pad_token_id=0)
CLASSIFIER, WRITER = "AutoModelForSequenceClassification", "AutoModelForSeq2SeqLM"


@pytest.mark.parametrize(
    ("config", "auto", "frozen"),
    [
        (families.config("xlnet"), CLASSIFIER, ["transformer.mask_emb"]),
        (ESM, CLASSIFIER, ["esm.contact_head.regression.weight", "esm.contact_head.regression.bias"]),
        (ROFORMER, CLASSIFIER, ["roformer.encoder.embed_positions.weight"]),
        (
            families.config("marian"),
            WRITER,
            ["model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"],
        ),
    ],
    ids=["xlnet", "esm", "roformer", "marian"],
)
def test_every_trained_weight_gets_a_gradient(
    config: transformers.PretrainedConfig, auto: str, frozen: list[str]
) -> None:
    model = getattr(transformers, auto).from_config(config)
    # As it is where weights were loaded.
    adapted = Full().adapt(model.requires_grad_(True))
    inputs = families.batch()
    if auto == WRITER:
        inputs["decoder_input_ids"] = inputs["input_ids"]
    if config.model_type == "xlnet":
        inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
    adapted(**inputs).logits.square().sum().backward()
    without = [name for name, weight in adapted.named_parameters() if weight.grad is None]
    assert sorted(without) == sorted(frozen)
    assert {n for n, weight in adapted.named_parameters() if not weight.requires_grad} == set(frozen)
