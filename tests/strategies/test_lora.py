"""LoRA as PEFT does it, on every family, with its head trained and saved."""

import copy
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
import yaml

from pipeline.errors import BadInput
from pipeline.strategies.base import trained_keys
from pipeline.strategies.lora import Lora
from pipeline.strategies.targets import chosen
from tests.models import families
from tests.models.families import CLASSIFIERS, FAMILIES

CONF = Path(__file__).parents[2] / "conf"


def modules_of(family: str) -> list[str]:
    """What the shipped yaml of the family names."""
    option = FAMILIES[family].option
    return yaml.safe_load((CONF / "model" / f"{option}.yaml").read_text())["lora_modules"]


def train(model: Any, strategy: Lora) -> None:
    strategy.train_mode(model)
    optimizer = torch.optim.AdamW(strategy.parameter_groups(model, 0.0), lr=0.05)
    for _ in range(2):
        model(**families.batch(), labels=torch.tensor([0, 1, 0, 1])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


@pytest.mark.parametrize("family", CLASSIFIERS)
@pytest.mark.parametrize("everywhere", [False, True])
def test_as_many_weights_are_trained_as_peft_counts(family: str, everywhere: bool) -> None:
    names: Any = "all-linear" if everywhere else modules_of(family)
    model = families.classifier(family)
    heads = FAMILIES[family].heads
    inside = [
        name
        for name, module in model.base_model.named_modules(prefix=model.base_model_prefix)
        if isinstance(module, torch.nn.Linear | transformers.pytorch_utils.Conv1D)
    ]
    reference = peft.get_peft_model(
        copy.deepcopy(model),
        peft.LoraConfig(
            task_type="SEQ_CLS",
            r=4,
            lora_alpha=8,
            target_modules=inside if everywhere else names,
            modules_to_save=list(heads),
            fan_in_fan_out=family == "gpt2",
        ),
    )
    adapted: Any = Lora(modules=names, r=4).adapt(model)
    assert adapted.get_nb_trainable_parameters() == reference.get_nb_trainable_parameters()
    trained = {name for name, parameter in adapted.named_parameters() if parameter.requires_grad}
    assert trained_keys(adapted) == trained
    assert all("lora_" in name or "modules_to_save" in name for name in trained)


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_the_meta_device_counts_the_same(family: str) -> None:
    strategy = Lora(modules=modules_of(family))
    with torch.device("meta"):
        meta = transformers.AutoModelForSequenceClassification.from_config(families.config(family))
    counted: Any = strategy.adapt(meta)
    real: Any = strategy.adapt(families.classifier(family))
    assert counted.get_nb_trainable_parameters() == real.get_nb_trainable_parameters()
    assert trained_keys(counted) == trained_keys(real)


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_training_moves_only_adapter_and_head_and_merging_keeps_outputs(family: str, tmp_path: Path) -> None:
    strategy = Lora(modules=modules_of(family), r=4)
    model = strategy.adapt(families.classifier(family))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    inputs = families.batch()
    untrained = model(**inputs).logits
    train(model, strategy)
    state = model.state_dict()
    assert {name for name in state if not torch.equal(state[name], before[name])} == trained_keys(model)
    logits = model(**inputs).logits
    assert (logits - untrained).abs().max() > 1e-2

    merged: Any = strategy.merge(model)
    assert type(merged) is type(families.classifier(family))
    torch.testing.assert_close(merged(**inputs).logits, logits, atol=1e-5, rtol=1e-4)
    merged.save_pretrained(tmp_path)
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32)
    torch.testing.assert_close(plain(**inputs).logits, merged(**inputs).logits)


@pytest.mark.parametrize("family", ["bert", "deberta", "gpt2"])
def test_the_saved_adapter_loads_in_peft(family: str, tmp_path: Path) -> None:
    strategy = Lora(modules=modules_of(family), r=4)
    model = strategy.adapt(families.classifier(family))
    train(model, strategy)
    files = strategy.save(model, str(tmp_path))
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(files)
    loaded = peft.PeftModel.from_pretrained(families.classifier(family), str(tmp_path)).eval()
    inputs = families.batch()
    torch.testing.assert_close(loaded(**inputs).logits, model(**inputs).logits)


def test_nothing_outside_the_seed_decides_the_start() -> None:
    def start() -> dict[str, torch.Tensor]:
        model = families.classifier("bert")
        torch.manual_seed(1)
        return Lora(modules=["query"]).adapt(model).state_dict()

    one, other = start(), start()
    assert all(torch.equal(one[name], other[name]) for name in one)


def problems(modules: Any, family: str = "bert") -> list[Any]:
    with pytest.raises(BadInput) as raised:
        Lora(modules=modules).adapt(families.classifier(family))
    return raised.value.problems


def test_modules_that_match_nothing_are_all_named() -> None:
    first, second = problems(["qeury", "value", "q_proj"])
    assert (first.where, first.nearest) == ("strategy.modules", "query")
    assert "'qeury' is no Linear module of BertForSequenceClassification" in first.what
    assert "'q_proj'" in second.what
    assert all(name in second.allowed for name in ("all-linear", "query", "key", "value", "dense"))


def test_only_linear_modules_of_the_backbone_can_be_adapted() -> None:
    assert len(problems(["classifier", "embeddings", "LayerNorm"])) == 3
    assert problems([])[0].what == "is empty"


def test_a_full_name_and_a_single_name_are_names_too() -> None:
    model = families.classifier("bert")
    full = "bert.encoder.layer.1.attention.self.query"
    assert list(chosen(model, [full])) == [full]
    assert len(chosen(model, "query")) == 2


def test_a_name_that_the_head_has_too_means_the_backbone() -> None:
    # RoBERTa's head holds a module called dense, as its layers do.
    model = families.classifier("roberta")
    adapted: Any = Lora(modules=["dense"]).adapt(model)
    lora = [name for name, _ in adapted.named_parameters() if "lora_" in name]
    assert lora and not [name for name in lora if "classifier" in name]


def test_a_rank_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Lora(modules=["query"], r=0)


def test_what_peft_refuses_is_bad_input() -> None:
    config = transformers.MambaConfig(hidden_size=32, num_hidden_layers=2, state_size=4, vocab_size=25)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    with pytest.raises(
        BadInput, match=r"PEFT cannot adapt MambaForCausalLM: .*'out_proj' is incompatible"
    ) as raised:
        Lora(modules="all-linear").adapt(model)
    assert "strategy.modules" in raised.value.problems[0].allowed
