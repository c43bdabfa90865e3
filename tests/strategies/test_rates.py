"""Learning rates and weight decay of each weight, compared with optimizers that were made by hand."""

import re
from typing import Any

import pytest
import torch
import transformers

from pipeline.errors import BadInput
from pipeline.strategies.base import Strategy
from pipeline.strategies.full import Full
from pipeline.strategies.lora import Lora
from pipeline.strategies.rates import Rate
from pipeline.training.optimizers import AdamW, set_rates
from pipeline.training.schedulers import Linear
from tests.models import families

LR, DECAY = 1e-2, 0.1
LABELS = torch.tensor([0, 1, 0, 1])


def steps(model: Any, optimizer: torch.optim.Optimizer, scheduler: Any) -> dict[str, torch.Tensor]:
    """The weights after two steps."""
    for _ in range(2):
        model(**families.batch(), labels=LABELS).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
    return {name: weight.detach() for name, weight in model.named_parameters()}


def ours(strategy: Strategy) -> dict[str, torch.Tensor]:
    model = strategy.adapt(families.classifier("bert"))
    optimizer = AdamW(lr=LR, weight_decay=DECAY).build(strategy.parameter_groups(model, DECAY))
    set_rates(optimizer)
    (config,) = Linear(warmup_steps=0).build(optimizer, 4, "val/loss", "min")
    return steps(model, optimizer, config["scheduler"])


def by_hand(rate: Any, decayed: Any = lambda name: True) -> dict[str, torch.Tensor]:
    """A group for each weight, with the learning rate that ``rate`` gives for its name."""
    model = families.classifier("bert")
    groups = [
        {
            "params": [weight],
            "lr": rate(name),
            "weight_decay": DECAY if weight.ndim > 1 and decayed(name) else 0.0,
        }
        for name, weight in model.named_parameters()
    ]
    optimizer = torch.optim.AdamW(groups)
    return steps(model, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 4))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, weight in one.items():
        # Fused and plain kernels round differently, and Adam divides by the gradient, whatever is left of one. What is
        # wrong with a group, as its decay, is wrong with all of its numbers.
        apart = ~torch.isclose(weight, other[name], atol=1e-6, rtol=1e-4)
        assert apart.sum() <= apart.numel() // 500, name


def test_layers_decay_as_groups_made_by_hand() -> None:
    def rate(name: str) -> float:
        layer = re.search(r"layer\.(\d)", name)
        depth = int(layer[1]) + 1 if layer else 0 if "embeddings" in name else 3
        return LR * 0.5 ** (3 - depth)

    trained = ours(Full(layer_decay=0.5, head_rate=1))
    same(trained, by_hand(rate))
    with pytest.raises(AssertionError):
        same(trained, by_hand(lambda name: LR))


def test_head_patterns_and_decay_as_groups_made_by_hand() -> None:
    strategy = Full(
        head_rate=4,
        rates=(Rate(pattern="embeddings", factor=0.1), Rate(pattern=r"query|embed", lr=3e-3)),
        no_decay=("word_embeddings",),
    )

    def rate(name: str) -> float:
        return (
            1e-3
            if "embeddings" in name
            else 3e-3
            if "query" in name
            else LR * (4 if "classif" in name else 1)
        )

    same(ours(strategy), by_hand(rate, decayed=lambda name: "word_embeddings" not in name))


def test_factors_multiply_and_a_rate_of_its_own_replaces_them() -> None:
    strategy = Full(
        layer_decay=0.5,
        head_rate=8,
        rates=(Rate(pattern=r"layer\.1", factor=3), Rate(pattern="pooler", lr=1.0)),
    )
    rules = strategy.rules(families.classifier("bert"))
    assert rules["classifier.weight"].factor == 8
    assert rules["bert.encoder.layer.1.output.dense.weight"].factor == 0.5 * 3
    assert rules["bert.pooler.dense.weight"].factor is None and rules["bert.pooler.dense.weight"].lr == 1.0


def test_a_new_head_learns_faster_than_what_is_pretrained_unless_it_is_told_otherwise() -> None:
    model = families.classifier("bert")
    rules = Full().rules(model)
    assert {name: rule.factor for name, rule in rules.items() if rule.factor != 1} == {
        "classifier.weight": 20,
        "classifier.bias": 20,
    }
    assert Full().describe(model)["rates"] == "others × 1; head × 20"
    # What predicts words was pretrained.
    assert Full().factors(families.random_model("gpt2", "AutoModelForCausalLM")) == {}


@pytest.mark.parametrize(("classes", "factor"), [(1, 2), (2, 2), (6, 3.5), (18, 6), (77, 10)])
def test_beside_lora_a_head_learns_the_faster_the_more_classes_it_has(classes: int, factor: float) -> None:
    strategy = Lora(modules=["query"])
    model: Any = transformers.BertForSequenceClassification(
        transformers.BertConfig(
            vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, num_labels=classes
        )
    )
    rules = strategy.rules(strategy.adapt(model))
    assert {rule.factor for name, rule in rules.items() if "classifier" in name} == {factor}
    assert {rule.factor for name, rule in rules.items() if "lora" in name} == {1}


def test_one_rate_for_everything_makes_two_groups() -> None:
    groups = Full(head_rate=1).parameter_groups(families.classifier("bert"), 0.1)
    assert [group.keys() for group in groups] == [{"params", "weight_decay"}] * 2
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert Full(head_rate=1).describe(families.classifier("bert")) == {}


def test_the_head_beside_an_adapter_is_found() -> None:
    strategy = Lora(modules=["query"], head_rate=5, rates=(Rate(pattern="lora_B", factor=16),))
    rules = strategy.rules(strategy.adapt(families.classifier("bert")))
    factors = {name: rule.factor for name, rule in rules.items()}
    assert {factor for name, factor in factors.items() if "classifier" in name} == {5}
    assert {factor for name, factor in factors.items() if "lora_A" in name} == {1}
    assert {factor for name, factor in factors.items() if "lora_B" in name} == {16}


def test_tied_weights_have_all_their_names() -> None:
    model: Any = families.random_model("gpt2", "AutoModelForCausalLM")
    strategy = Full(rates=(Rate(pattern="lm_head", factor=0.5),), no_decay=("lm_head",))
    assert strategy.rules(model)["transformer.wte.weight"].factor == 0.5
    assert strategy.describe(model) == {
        "rates": "'lm_head' × 0.5; others × 1",
        "no decay": "norms, biases, transformer.wte.weight",
    }
    with pytest.raises(BadInput, match="head_rate: GPT2LMHeadModel has no new head"):
        Full(head_rate=2).rules(model)


def test_patterns_that_find_nothing_are_all_named() -> None:
    strategy = Full(
        rates=(Rate(pattern="qeury", factor=2), Rate(pattern="value", factor=2)), no_decay=("embedings",)
    )
    with pytest.raises(BadInput) as raised:
        strategy.describe(families.classifier("bert"))
    first, second = raised.value.problems
    assert (first.where, first.nearest) == ("strategy.rates.0.pattern", "query")
    assert (second.where, second.nearest) == ("strategy.no_decay.0", "embeddings")
    assert "bert.embeddings.word_embeddings.weight" in first.allowed


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"pattern": "(", "factor": 2}, "is no regular expression"),
        ({"pattern": "a"}, "needs either factor"),
        ({"pattern": "a", "factor": 1, "lr": 1}, "needs either factor"),
        ({"pattern": "a", "factor": 0}, "greater than 0"),
    ],
)
def test_a_rate_says_one_thing(keys: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rate(**keys)


def test_the_plan_names_what_learns_at_another_rate() -> None:
    model = families.classifier("bert")
    assert Full(layer_decay=0.5, head_rate=1).describe(model) == {
        "rates": "embeddings × 0.125; layer 1 × 0.25; layer 2 × 0.5; top, head × 1"
    }
    said = Full(head_rate=4, rates=(Rate(pattern="query", lr=1e-3),), no_decay=("word_emb",)).describe(model)
    assert said["rates"] == "others × 1; 'query' lr 0.001; head × 4"
    assert said["no decay"] == "norms, biases, bert.embeddings.word_embeddings.weight"
