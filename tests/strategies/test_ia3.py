"""(IA)³ as PEFT does it, with its head trained, merged into a plain model."""

import copy
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from pipeline.errors import BadInput
from pipeline.models import pooled_loading
from pipeline.strategies.base import trained_keys
from pipeline.strategies.ia3 import IA3
from pipeline.strategies.lora import Lora
from tests.models import families
from tests.models.families import FAMILIES
from tests.strategies.test_lora import train

# Architectures that PEFT chooses modules for; roberta, deberta and t5 have heads that are more than one Linear module.
CHOSEN = ["bert", "roberta", "deberta", "gpt2", "llama", "qwen3", "t5", "bart"]


@pytest.mark.parametrize("family", CHOSEN)
def test_it_is_pefts_and_merges(family: str, tmp_path: Path) -> None:
    original, inputs = families.classifier(family), families.batch()
    reference = peft.get_peft_model(
        copy.deepcopy(original),
        peft.IA3Config(
            task_type="SEQ_CLS", modules_to_save=list(FAMILIES[family].heads), fan_in_fan_out=family == "gpt2"
        ),
    )
    strategy = IA3()
    model: Any = strategy.adapt(copy.deepcopy(original))
    assert model.get_nb_trainable_parameters() == reference.get_nb_trainable_parameters()
    torch.testing.assert_close(model.eval()(**inputs).logits, original(**inputs).logits)
    train(model, strategy)  # type: ignore[arg-type]
    logits = model(**inputs).logits
    theirs = dict(reference.named_parameters())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            theirs[name].copy_(weight)
    torch.testing.assert_close(reference.eval()(**inputs).logits, logits)

    strategy.save(model, str(tmp_path))
    loaded = peft.PeftModel.from_pretrained(original, str(tmp_path)).eval()
    torch.testing.assert_close(loaded(**inputs).logits, logits)
    merged: Any = strategy.merge(model)
    assert type(merged) is type(families.classifier(family))
    torch.testing.assert_close(merged(**inputs).logits, logits, atol=1e-5, rtol=1e-4)
    merged.save_pretrained(tmp_path / "merged")
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "merged", dtype=torch.float32
    )
    torch.testing.assert_close(plain(**inputs).logits, merged(**inputs).logits)


def test_modules_of_ones_own() -> None:
    strategy = IA3(modules=["k_lin", "v_lin", "lin2"], feedforward_modules="lin2")
    model: Any = strategy.adapt(families.classifier("distilbert"))
    vectors = {name: tuple(w.shape) for name, w in model.named_parameters() if ".ia3_l." in name}
    inside = [shape for name, shape in vectors.items() if ".lin2." in name]
    assert len(vectors) == 6 and inside == [(1, 48), (1, 48)]
    assert trained_keys(model) >= set(vectors)


@pytest.mark.parametrize(
    ("family", "options", "what"),
    [
        ("distilbert", {}, "PEFT has no choice of modules for distilbert"),
        ("bert", {"modules": ["qeury"]}, "'qeury' is no Linear module"),
        ("bert", {"modules": ["key"], "feedforward_modules": ["value"]}, "is not among strategy.modules"),
    ],
)
def test_what_fits_nothing_is_refused(family: str, options: dict[str, Any], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        IA3(**options).adapt(families.classifier(family).to("meta"))  # type: ignore[arg-type]


def test_feed_forward_modules_are_some_of_the_modules() -> None:
    with pytest.raises(ValueError, match="have to be named too"):
        IA3(feedforward_modules=["output.dense"])


FACTS = {"id2label": {0: "a", 1: "b"}, "label2id": {"a": 0, "b": 1}, "problem_type": None}
ESM = transformers.EsmConfig(
    **families.BERT, vocab_size=25, pad_token_id=0, mask_token_id=1, max_position_embeddings=66
)


def pooled(config: transformers.PretrainedConfig) -> Any:
    head = {"pooling": "mean", "head_layers": [], "head_dropout": None}
    wrapped = pooled_loading.wrapped(config, head, FACTS, None)
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_config(wrapped).eval()


def test_a_pooled_model_has_the_modules_of_its_backbone() -> None:
    ours, plain = IA3().adapt(pooled(families.config("bert"))), IA3().adapt(families.classifier("bert"))

    def vectors(model: Any) -> list[str]:
        return [n.partition(".encoder.")[2] for n, _ in model.named_parameters() if ".ia3_l." in n]

    assert vectors(ours) == vectors(plain) != []
    with pytest.raises(BadInput, match="no choice of modules for distilbert"):
        IA3().adapt(pooled(families.config("distilbert")))


@pytest.mark.parametrize("strategy", [Lora(modules="all-linear"), IA3(modules=["key"])])
def test_a_head_whose_name_ends_another_is_trained_alone(strategy: Any, tmp_path: Path) -> None:
    original = pooled(ESM)
    model: Any = strategy.adapt(copy.deepcopy(original))
    kept = {
        name.partition(".modules_to_save.")[0] for name in trained_keys(model) if "modules_to_save" in name
    }
    assert kept == {"base_model.model.head"}
    train(model, strategy)
    inputs = families.batch()
    logits = model(**inputs).logits
    strategy.save(model, str(tmp_path))
    loaded = peft.PeftModel.from_pretrained(copy.deepcopy(original), str(tmp_path)).eval()
    torch.testing.assert_close(loaded(**inputs).logits, logits)
    merged: Any = strategy.merge(model)
    torch.testing.assert_close(merged(**inputs).logits, logits, atol=1e-5, rtol=1e-4)
    assert merged.state_dict().keys() == original.state_dict().keys()
