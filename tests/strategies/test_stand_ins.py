"""A model that is given what its frozen part hands on computes what it computes by itself, and learns the same."""

from typing import Any

import pytest
import torch

from pipeline.data.features import chosen, padded
from pipeline.models.checkpoint import _DROPOUTS
from pipeline.models.heads import AUTO_CLASSES
from pipeline.strategies.base import Strategy
from pipeline.strategies.cuts import FeaturesOf, LayersBelow, OutputOf, cut_of
from pipeline.strategies.frozen_backbone import FrozenBackbone
from pipeline.strategies.last_layers import LastLayers
from pipeline.strategies.stand_ins import what_is_read
from tests.models import families
from tests.models.families import CLASSIFIERS, FAMILIES

# As many layers as leave some below two that are trained.
DEEP = {
    "gpt2": {"n_layer": 4},
    "xlnet": {"n_layer": 4},
    "distilbert": {"n_layers": 4},
    "t5": {"num_layers": 4},
    "flan_t5": {"num_layers": 4},
    "bart": {"encoder_layers": 4, "decoder_layers": 4},
    "marian": {"encoder_layers": 4, "decoder_layers": 4},
}
# Which vectors the heads of sequence classifiers read.
READ = dict.fromkeys(CLASSIFIERS, "last") | {
    "bert": "text",
    **dict.fromkeys(["roberta", "distilbert", "deberta", "electra", "modernbert"], "first"),
}


def deep(family: str, head: str) -> Any:
    """A model of four layers without dropout, as what is trained would draw it anew."""
    options: dict[str, Any] = DEEP.get(family, {"num_hidden_layers": 4})
    dropouts = [name for name in families.config(family).to_dict() if name.endswith(_DROPOUTS)]
    options = options | dict.fromkeys([*dropouts, "classifier_dropout"], 0.0)
    model = families.random_model(family, AUTO_CLASSES[head], **options)  # type: ignore[index]
    model.config.pad_token_id = families.PAD
    return model


def texts(family: str, head: str) -> dict[str, torch.Tensor]:
    """Four texts of mixed lengths, padded where the family's tokenizer does."""
    inputs = families.batch()
    if family == "xlnet":
        inputs = {name: value.flip(1) for name, value in inputs.items()}
    if head == "seq2seq_lm":
        inputs["labels"] = inputs["input_ids"].flip(1).masked_fill(inputs["input_ids"] == 0, -100)
    return inputs


def resolved(strategy: Strategy, family: str, head: str, model: Any, inputs: dict[str, Any]) -> Any:
    """The cut of an adapted model; what its head reads is found on the meta device."""
    cut: Any = strategy.frozen_prefix(model)
    if isinstance(cut, OutputOf) and not cut.field:
        with torch.device("meta"):
            meta = strategy.adapt(deep(family, head).to("meta"))
        width = model.config.get_text_config().hidden_size
        cut = what_is_read(meta, cut, inputs, inputs["attention_mask"].bool(), width)
    return cut


def recorded(model: Any, stand_ins: Any, cut: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """What is handed on for the texts, each computed by itself without padding, as stored vectors."""
    vectors = []
    with torch.inference_mode():
        for line, mask in enumerate(inputs["attention_mask"].bool()):
            own = {name: value[line : line + 1, mask] for name, value in inputs.items() if name != "labels"}
            own |= {"labels": inputs["labels"][line : line + 1]} if "labels" in inputs else {}
            made = stand_ins.record(model, own)
            vectors.append(
                made if cut.read == "text" else made[chosen(torch.ones(made.shape[:2]).bool(), cut.read)]
            )
    return torch.cat(vectors).clone()


def outputs(made: Any) -> dict[str, torch.Tensor]:
    names = ("logits", "start_logits", "end_logits")
    return {name: made[name] for name in names if made.get(name) is not None}


def assert_same(strategy: Strategy, family: str, head: str) -> None:
    model: Any = strategy.adapt(deep(family, head))
    inputs = texts(family, head)
    check(strategy, model, resolved(strategy, family, head, model, inputs), inputs)


def check(strategy: Strategy, model: Any, cut: Any, inputs: dict[str, torch.Tensor]) -> None:
    """Outputs and gradients, with and without what is stored, within 1e-5."""
    real = inputs["attention_mask"].bool()
    strategy.train_mode(model)
    gradients, made = {}, {}
    stand_ins = cut.stand_ins(model)
    given = padded(recorded(model, stand_ins, cut, inputs), real, cut.read)
    for name, value in (("uncached", None), ("cached", given)):
        model.zero_grad()
        with stand_ins.given(value):
            found = outputs(model(**inputs))
        # Nobody reads what stands at padding.
        found = {
            k: v[real] if v.shape[:2] == real.shape and "labels" not in inputs else v
            for k, v in found.items()
        }
        torch.manual_seed(0)
        sum((torch.randn(each.shape) * each).sum() for each in found.values()).backward()  # type: ignore[union-attr]
        made[name] = found
        gradients[name] = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    assert made["uncached"] and gradients["uncached"]
    torch.testing.assert_close(made["cached"], made["uncached"], atol=1e-5, rtol=0)
    torch.testing.assert_close(gradients["cached"], gradients["uncached"], atol=1e-5, rtol=1e-4)
    # It can fail: with other values it computes something else.
    with stand_ins.given(torch.randn_like(given)):
        other = outputs(model(**inputs))
    assert any((value - outputs(model(**inputs))[name]).abs().max() > 1e-4 for name, value in other.items())
    stand_ins.restore()
    assert not any({"forward", "features"} & vars(module).keys() for module in model.modules())


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_a_head_learns_the_same_from_stored_features(family: str) -> None:
    assert_same(FrozenBackbone(), family, "sequence_classification")


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_what_a_head_reads_is_found_without_computing_the_backbone(family: str) -> None:
    model = FrozenBackbone().adapt(deep(family, "sequence_classification"))
    cut = resolved(FrozenBackbone(), family, "sequence_classification", model, texts(family, ""))
    assert cut.read == READ[family]
    assert cut.field == ("pooler_output" if cut.read == "text" else "last_hidden_state")
    assert cut_of(vars(cut)) == cut


@pytest.mark.parametrize("pooling", ["mean", "attention", None])
def test_a_pooled_model_learns_the_same(pooling: str | None) -> None:
    from pipeline.models import pooled

    backbone: Any = deep("bert", "sequence_classification").config
    config = pooled.PooledConfig(backbone, pooling=pooling, head_dropout=0.0)
    kind = pooled.PooledForSequenceClassification if pooling else pooled.PooledForTokenClassification
    strategy = FrozenBackbone()
    model = strategy.adapt(kind(config))
    cut = strategy.frozen_prefix(model)
    assert isinstance(cut, FeaturesOf) and cut.read == ("text" if pooling == "mean" else "all")
    assert cut_of(vars(cut)) == cut
    check(strategy, model, cut, texts("bert", ""))


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "t5"])
def test_heads_of_tokens_read_all_of_them(family: str) -> None:
    model = FrozenBackbone().adapt(deep(family, "token_classification"))
    assert resolved(FrozenBackbone(), family, "token_classification", model, texts(family, "")).read == "all"
    assert_same(FrozenBackbone(), family, "token_classification")


@pytest.mark.parametrize(
    ("family", "head"),
    [
        *(
            (family, "sequence_classification")
            for family in ("bert", "deberta", "modernbert", "gpt2", "llama", "t5")
        ),
        *((family, "token_classification") for family in ("bert", "t5")),
        *((family, "causal_lm") for family in ("gpt2", "llama", "gemma3")),
        *((family, "seq2seq_lm") for family in ("t5", "flan_t5", "bart", "marian")),
        ("bert", "masked_lm"),
    ],
)
def test_last_layers_learn_the_same_from_stored_hidden_states(family: str, head: str) -> None:
    model = LastLayers().adapt(deep(family, head))
    cut: Any = LastLayers().frozen_prefix(model)
    halves = FAMILIES[family].kind == "encoder_decoder" and head != "token_classification"
    assert isinstance(cut, OutputOf if halves else LayersBelow)
    assert halves or cut.number == 2
    assert_same(LastLayers(), family, head)


def test_what_stays_is_not_moved() -> None:
    model: Any = FrozenBackbone().adapt(deep("bert", "sequence_classification"))
    stand_ins = OutputOf("bert", "pooler_output", "text").stand_ins(model)
    stand_ins.stay()
    model.to(torch.float64)
    assert model.classifier.weight.dtype == torch.float64
    assert {weight.dtype for weight in model.bert.parameters()} == {torch.float32}
    stand_ins.restore()
    assert {weight.dtype for weight in model.to(torch.float64).parameters()} == {torch.float64}
