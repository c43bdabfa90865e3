"""What a head reads of an encoder's last layer is what it reads of the whole of it."""

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from pipeline.strategies.adapters import Adapters
from pipeline.strategies.base import Strategy
from pipeline.strategies.lora import Lora
from pipeline.strategies.prefix_tuning import PrefixTuning
from pipeline.strategies.prompt_tuning import PromptTuning
from pipeline.tasks.chosen_logits import outputs_at
from pipeline.tasks.read_tokens import _BEGINS, outputs_of, read_alone
from pipeline.training.compiling import compile_layers
from pipeline.training.recomputing import recompute_activations
from tests.models import families

CLASSIFIER, CHOICES = "AutoModelForSequenceClassification", "AutoModelForMultipleChoice"
MASKED, PAIRS = "AutoModelForMaskedLM", "AutoModelForPreTraining"
SIZES = {
    "deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "pooler_hidden_size": 32},
    "deberta-v2": {
        "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "pooler_hidden_size": 32, "conv_kernel_size": 3
    },
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48},
    "electra": {"embedding_size": 16},
}  # fmt: skip


def random(kind: str, auto: str, **options: Any) -> Any:
    """A random model of an architecture, in eval mode."""
    torch.manual_seed(0)
    sizes = {**families.BERT, "vocab_size": len(families.VOCABULARY), "pad_token_id": families.PAD}
    config = transformers.AutoConfig.for_model(kind, **{**sizes, **SIZES.get(kind, {}), **options})
    return getattr(transformers, auto).from_config(config).eval()


def last_layer(model: Any) -> nn.Module:
    """What a layer does to each token by itself, of the last one."""
    return [
        module
        for name, module in model.named_modules()
        if name.split(".")[-1] in ("intermediate", "ffn") and ("layer." in name)
    ][-1]


def learned(model: Any, logits: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    logits.square().sum().backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def assert_same(model: Any, whole: Tensor, alone: Tensor) -> None:
    torch.testing.assert_close(alone, whole)
    expected, found = learned(model, whole), learned(model, alone)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(
            found[name], gradient, atol=1e-6, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )


def tokens_of(module: nn.Module, seen: list[int]) -> Any:
    return module.register_forward_pre_hook(lambda _, given: seen.append(given[0][..., 0].numel()))


# The first DeBERTa has no head for choices in transformers.
CLASSIFIERS = [
    (kind, auto) for kind in _BEGINS for auto in (CLASSIFIER, CHOICES) if (kind, auto) != ("deberta", CHOICES)
]


@pytest.mark.parametrize(("kind", "auto"), CLASSIFIERS)
def test_of_every_architecture(kind: str, auto: str) -> None:
    model, inputs = random(kind, auto), families.batch()
    if auto == CHOICES:
        inputs = {name: value.reshape(2, 2, -1) for name, value in inputs.items()}
    seen: list[int] = []
    tokens_of(last_layer(model), seen)
    assert_same(model, model(**inputs).logits, outputs_of(model, inputs).logits)
    assert seen == [24, 4]
    # Nothing is left behind.
    model(**inputs)
    assert seen[-1] == 24


@pytest.mark.parametrize("kind", _BEGINS)
def test_masked_words_alone(kind: str) -> None:
    model, inputs = random(kind, MASKED), families.batch()
    places = torch.zeros_like(inputs["input_ids"], dtype=torch.bool)
    places[0, 1] = places[0, 3] = places[2, 4] = True
    seen: list[int] = []
    tokens_of(last_layer(model), seen)
    whole = model(**inputs).logits[places]
    assert_same(model, whole, outputs_at(model, inputs, places)[1])
    assert seen == [24, 3]
    assert outputs_at(model, inputs, places & False)[1].shape == (0, len(families.VOCABULARY))


def test_pairs_of_sentences_are_read_of_their_first_token_too() -> None:
    model, inputs = random("bert", PAIRS), families.batch()
    places = inputs["input_ids"] == 5
    outputs, logits = outputs_at(model, inputs, places)
    whole = model(**inputs)
    torch.testing.assert_close(outputs.seq_relationship_logits, whole.seq_relationship_logits)
    torch.testing.assert_close(logits, whole.prediction_logits[places])


@pytest.mark.parametrize(
    "strategy",
    [Lora(modules="all-linear"), Adapters(), PrefixTuning(tokens=3), PromptTuning(tokens=3)],
    ids=lambda strategy: type(strategy).__name__,
)
def test_with_what_strategies_put_in(strategy: Strategy) -> None:
    model, inputs = strategy.adapt(random("bert", CLASSIFIER)).eval(), families.batch()
    assert_same(model, model(**inputs).logits, outputs_of(model, inputs).logits)


@pytest.mark.parametrize(
    "strategy",
    [Lora(modules="all-linear"), Adapters()],
    ids=lambda strategy: type(strategy).__name__,
)
def test_masked_words_with_adapters(strategy: Strategy) -> None:
    model, inputs = strategy.adapt(random("bert", MASKED)).eval(), families.batch()
    places = inputs["input_ids"] == 5
    assert_same(model, model(**inputs).logits[places], outputs_at(model, inputs, places)[1])


@pytest.mark.parametrize("kind", ["gpt2", "xlnet", "albert"])
def test_others_compute_it_whole(kind: str) -> None:
    auto = CLASSIFIER
    model = families.classifier(kind) if kind in families.FAMILIES else random(kind, auto, embedding_size=16)
    inputs = families.batch()
    with read_alone(model, lambda hidden: hidden[:, :1]) as alone:
        assert not alone
    torch.testing.assert_close(outputs_of(model, inputs).logits, model(**inputs).logits)


def test_recomputed_in_the_backward_pass() -> None:
    model, inputs = (
        random("bert", MASKED, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        families.batch(),
    )
    places = inputs["input_ids"] == 5
    whole = model(**inputs).logits[places]
    expected = learned(model, whole)
    recompute_activations(model)
    logits = outputs_at(model.train(), inputs, places)[1]
    found = learned(model, logits)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)
    with read_alone(model, lambda hidden: hidden) as alone:
        assert not alone
    with read_alone(model.eval(), lambda hidden: hidden) as alone:
        assert alone


def test_compiled() -> None:
    # Every call would be compiled anew.
    model = random("bert", CLASSIFIER)
    assert compile_layers(model.bert.encoder.layer) == 2
    with read_alone(model, lambda hidden: hidden[:, :1]) as alone:
        assert not alone


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("bert", {"chunk_size_feed_forward": 2}),
        ("bert", {"is_decoder": True}),
        ("deberta-v2", {"num_hidden_layers": 1}),
    ],
)
def test_where_more_of_it_may_be_read(kind: str, options: dict[str, Any]) -> None:
    model, inputs = random(kind, CLASSIFIER, **options), families.batch()
    torch.testing.assert_close(outputs_of(model, inputs).logits, model(**inputs).logits)
    with read_alone(model, lambda hidden: hidden[:, :1]) as alone:
        assert not alone
