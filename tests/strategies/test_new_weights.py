"""What a checkpoint does not have is trained by every strategy, and saved by it."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.strategies.adapters import Adapters
from pipeline.strategies.base import Strategy, trained_keys
from pipeline.strategies.bias_only import BiasOnly
from pipeline.strategies.ia3 import IA3
from pipeline.strategies.lora import Lora
from pipeline.strategies.new_weights import new_weights
from pipeline.strategies.norm_only import NormOnly
from pipeline.strategies.parts import added_rows, whole_modules
from pipeline.strategies.prefix_tuning import PrefixTuning
from tests.models import families

LORA = Lora(modules="all-linear", r=4)
POOLER = ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]


def marked(model: Any, names: list[str]) -> Any:
    """As a model that was loaded from a checkpoint without these weights."""
    model.newly_initialised = frozenset(names)
    return model


def built(folder: str, head: str, *, meta: bool = False, **options: Any) -> Any:
    checkpoint = Checkpoint(checkpoint=folder)
    torch.manual_seed(0)
    model, _ = checkpoint.build(folder, (head,), checkpoint.config(folder), meta=meta, **options)
    return model


def new_in(folder: str, head: str) -> set[str]:
    """By transformers' own report."""
    checkpoint = Checkpoint(checkpoint=folder)
    return set(checkpoint.build(folder, (head,), checkpoint.config(folder))[1].initialised)


def trained_in(model: Any) -> set[str]:
    """The names in the plain model, whatever wraps it."""
    plain = model.get_base_model() if isinstance(model, peft.PeftModel) else model
    return {
        name.replace(".modules_to_save.default", "")
        for name, weight in plain.named_parameters(remove_duplicate=False)
        if weight.requires_grad
    }


@pytest.mark.parametrize(
    ("family", "head"),
    [
        *((family, "masked_lm") for family in ("bert", "distilbert", "deberta", "roberta", "electra")),
        ("llama", "causal_lm"),
    ],
)
@pytest.mark.parametrize("strategy", [LORA, NormOnly(), Adapters()], ids=lambda each: type(each).__name__)
def test_a_head_that_predicts_words(family: str, head: str, strategy: Strategy, tmp_path: Path) -> None:
    untied: dict[str, Any] = {"tie_word_embeddings": False} if family == "llama" else {}
    folder = families.pretrained(family, tmp_path / "base", **untied)
    new = new_in(folder, head)
    assert new
    adapted = strategy.adapt(built(folder, head))
    # Biases that stand by themselves begin at zero; PEFT has no place for them.
    left = new - trained_in(adapted)
    state = built(folder, head).state_dict()
    assert all(name.endswith("bias") and not state[name].any() for name in left)
    assert strategy is LORA or not left
    counted = strategy.adapt(built(folder, head, meta=True))
    assert trained_keys(counted) == trained_keys(adapted)


@pytest.mark.parametrize(
    "strategy",
    [LORA, Lora(modules=["query", "value"]), IA3(), Adapters(), BiasOnly(), PrefixTuning(tokens=3)],
    ids=lambda each: type(each).__name__,
)
def test_the_pooler_that_a_masked_lm_lacks(strategy: Strategy, tmp_path: Path) -> None:
    folder = families.with_head("bert", "AutoModelForMaskedLM", tmp_path / "base")
    model = built(folder, "sequence_classification", facts={})
    assert trained_in(strategy.adapt(model)) >= {*POOLER, "classifier.weight", "classifier.bias"}
    whole = families.with_head("bert", "AutoModelForSequenceClassification", tmp_path / "whole")
    pretrained = strategy.adapt(built(whole, "sequence_classification", facts={}))
    assert "bert.pooler.dense.weight" not in trained_in(pretrained)


def test_what_nobody_reads_is_left(tmp_path: Path) -> None:
    folder = families.with_head("bert", "AutoModelForMaskedLM", tmp_path / "bert")
    assert new_weights(built(folder, "backbone")) == {}
    # A head that passes by the pooler of its backbone.
    sizes = {**families.BERT, "vocab_size": len(families.VOCABULARY), "attention_type": "original_full"}
    config = transformers.BigBirdConfig(**sizes, pad_token_id=0, sep_token_id=3, bos_token_id=2)
    big = transformers.BigBirdForSequenceClassification(config)
    names = [name for name, _ in big.named_parameters() if "pooler" in name or "classifier" in name]
    assert any("pooler" in name for name in names)
    assert not any("pooler" in name for name in new_weights(marked(big, names)))
    questions = transformers.BertForMultipleChoice(families.config("bert"))
    assert sorted(new_weights(marked(questions, POOLER))) == POOLER


def test_tied_weights_are_not_new(tmp_path: Path) -> None:
    folder = families.pretrained("llama", tmp_path / "base", tie_word_embeddings=True)
    model = built(folder, "causal_lm")
    assert new_weights(model) == {} and whole_modules(model) == []


def test_rows_of_what_is_trained_whole_are_not_trained_twice(tmp_path: Path) -> None:
    folder = families.pretrained("llama", tmp_path / "base", tie_word_embeddings=False)
    model = built(folder, "causal_lm")
    model.config.added_token_ids = [5]
    assert added_rows(model) == {"model.embed_tokens": [5]}
    assert "lm_head.weight" in trained_in(LORA.adapt(model))


def test_a_new_matrix_beside_pretrained_ones_is_refused() -> None:
    model = families.classifier("xlnet")
    name = "transformer.layer.0.rel_attn.q"
    with pytest.raises(BadInput, match=rf"does not have {name}") as refused:
        LORA.adapt(marked(model, [name]))
    assert "strategy=full" in str(refused.value.problems[0].allowed)


@pytest.mark.parametrize("strategy", [LORA, IA3()], ids=["lora", "ia3"])
def test_adapter_and_merged_model_hold_what_was_trained(strategy: Any, tmp_path: Path) -> None:
    folder = families.pretrained("bert", tmp_path / "base")
    model = strategy.adapt(built(folder, "masked_lm"))
    transform = "cls.predictions.transform.dense.weight"
    start = built(folder, "masked_lm").state_dict()[transform]
    strategy.train_mode(model)
    optimizer = torch.optim.AdamW(strategy.parameter_groups(model, 0.0), lr=0.05)
    batch = families.batch()
    for _ in range(2):
        model(**batch, labels=batch["input_ids"]).loss.backward()
        assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    logits = model(**batch).logits
    strategy.save(model, str(tmp_path / "adapter"))
    torch.manual_seed(1)  # A base whose head is random in another way.
    other = transformers.AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    loaded = peft.PeftModel.from_pretrained(other, str(tmp_path / "adapter")).eval()
    torch.testing.assert_close(loaded(**batch).logits, logits)
    strategy.merge(model).save_pretrained(tmp_path / "merged")
    merged = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    torch.testing.assert_close(merged(**batch).logits, logits, atol=1e-5, rtol=1e-4)
    assert (merged.state_dict()[transform] - start).abs().max() > 1e-2
