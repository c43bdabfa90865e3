"""Prefix and prompt tuning as PEFT does them: what is trained, what they work with, and that they come back."""

import copy
import inspect
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from pipeline.errors import BadInput
from pipeline.models import pooled_loading
from pipeline.models.heads import AUTO_CLASSES
from pipeline.strategies.base import trained_keys
from pipeline.strategies.prefix_tuning import PrefixTuning
from pipeline.strategies.prompt_tuning import PromptTuning
from pipeline.strategies.virtual_tokens import VirtualTokens
from pipeline.tasks.chosen_logits import outputs_at
from tests.models import families
from tests.models.families import FAMILIES

PREFIX, PROMPT = PrefixTuning(tokens=3), PromptTuning(tokens=3)
CASES: list[Any] = [
    (PREFIX, "bert", "sequence_classification"),
    (PREFIX, "roberta", "token_classification"),
    (PREFIX, "electra", "question_answering"),
    (PREFIX, "llama", "sequence_classification"),
    (PREFIX, "gpt2", "causal_lm"),
    (PREFIX, "t5", "seq2seq_lm"),
    (PrefixTuning(tokens=3, projection=8), "bart", "seq2seq_lm"),
    (PROMPT, "bert", "sequence_classification"),
    (PROMPT, "distilbert", "sequence_classification"),
    (PROMPT, "electra", "sequence_classification"),
    (PROMPT, "qwen3", "causal_lm"),
    (PROMPT, "bart", "seq2seq_lm"),
]


def model_of(family: str, head: Any) -> Any:
    model = families.random_model(family, AUTO_CLASSES[head])
    model.config.pad_token_id = 0
    return model


def inputs_of(head: str) -> dict[str, torch.Tensor]:
    inputs = families.batch()
    return {**inputs, "decoder_input_ids": inputs["input_ids"]} if head == "seq2seq_lm" else inputs


def first(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    made = model(**inputs)
    return made["logits"] if "logits" in made else made["start_logits"]


def train(model: Any, strategy: VirtualTokens, inputs: dict[str, torch.Tensor]) -> None:
    strategy.train_mode(model)
    optimizer = torch.optim.AdamW(strategy.parameter_groups(model, 0.0), lr=0.1)
    for _ in range(2):
        first(model, inputs).float()[..., 1].sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


@pytest.mark.parametrize(("strategy", "family", "head"), CASES)
def test_it_trains_and_comes_back(strategy: VirtualTokens, family: str, head: Any, tmp_path: Path) -> None:
    original, inputs = model_of(family, head), inputs_of(head)
    meta: Any = strategy.adapt(copy.deepcopy(original).to("meta"))
    model: Any = strategy.adapt(copy.deepcopy(original))
    assert meta.get_nb_trainable_parameters()[0] == model.get_nb_trainable_parameters()[0]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(model, strategy, inputs)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert any("prompt_encoder" in name for name in changed) and changed <= trained_keys(model)
    expected = first(model, inputs)

    strategy.save(model, str(tmp_path / "adapter"))
    plain: Any = strategy.merge(model)
    assert type(plain) is type(original)
    assert plain.state_dict().keys() == original.state_dict().keys()
    plain.save_pretrained(tmp_path / "base")
    again, found = getattr(transformers, AUTO_CLASSES[head]).from_pretrained(
        tmp_path / "base", dtype=torch.float32, output_loading_info=True
    )
    assert not found["missing_keys"] and not found["unexpected_keys"]
    torch.testing.assert_close(first(strategy.load(again, str(tmp_path / "adapter")), inputs), expected)
    # The adapter holds the head too, so the pretrained model is enough.
    loaded = peft.PeftModel.from_pretrained(original, str(tmp_path / "adapter"))
    torch.testing.assert_close(first(loaded, inputs), expected)


@pytest.mark.parametrize(("strategy", "family", "head"), CASES)
def test_a_text_reads_the_same_in_any_batch(strategy: VirtualTokens, family: str, head: Any) -> None:
    model: Any = strategy.adapt(model_of(family, head)).eval()
    inputs = inputs_of(head)
    alone = {name: value[1:2, :3] for name, value in inputs.items()}  # the second has three tokens
    together, by_itself = first(model, inputs)[1:2], first(model, alone)
    if head != "sequence_classification":
        together = together[:, : by_itself.shape[1]]
    torch.testing.assert_close(together, by_itself, atol=1e-5, rtol=1e-4)


def test_as_many_numbers_as_the_papers_say() -> None:
    def learned(strategy: VirtualTokens, family: str, head: Any) -> int:
        model = strategy.adapt(model_of(family, head))
        return sum(
            p.numel() for n, p in model.named_parameters() if p.requires_grad and "prompt_encoder" in n
        )

    assert learned(PROMPT, "llama", "causal_lm") == 3 * 32
    assert learned(PREFIX, "gpt2", "causal_lm") == 3 * 2 * 2 * 32  # tokens, layers, keys and values, width
    assert learned(PREFIX, "llama", "causal_lm") == 3 * 2 * 2 * 16  # one key and value for two heads


TEXT = torch.tensor([[9, 4, 7, 5], [6, 8, 3, 0]])


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3"])
def test_a_prefix_starts_as_the_words_of_a_text(family: str) -> None:
    """What follows reads it as the model itself reads a longer text."""
    original = model_of(family, "causal_lm").eval()
    model: Any = PREFIX.adapt(copy.deepcopy(original))
    assert PREFIX.looks_at == 3
    PREFIX.start(model, [{"input_ids": TEXT, "attention_mask": torch.tensor([[0, 1, 1, 1], [1, 1, 1, 0]])}])
    words, more = torch.tensor([[4, 7, 5]]), torch.tensor([[3, 8, 9, 6]])
    found = model(input_ids=more, attention_mask=torch.ones_like(more))
    expected = original(input_ids=torch.cat((words, more), dim=1))
    torch.testing.assert_close(found.logits, expected.logits[:, 3:], atol=1e-5, rtol=1e-4)


def test_a_prefix_of_an_encoder_starts_as_its_keys_and_values() -> None:
    original = model_of("bert", "sequence_classification").eval()
    model: Any = PrefixTuning(tokens=5).adapt(copy.deepcopy(original))
    PrefixTuning(tokens=5).start(model, [{"input_ids": TEXT[:1, :3]}])
    bert = original.bert
    words = TEXT[:, :3][:1].repeat(1, 2)[:, :5]  # over again, where a text is too short
    layer = bert.encoder.layer[0].attention.self
    keys, values = (part(bert.embeddings(words))[0] for part in (layer.key, layer.value))
    start = model.prompt_encoder["default"].embedding.weight.view(5, 2, 2, -1)
    torch.testing.assert_close(start[:, 0], torch.stack((keys, values), dim=1))


def test_prefixes_that_no_text_sets() -> None:
    cases: list[tuple[PrefixTuning, str, Any]] = [
        (PrefixTuning(init="random"), "gpt2", "causal_lm"),
        (PrefixTuning(projection=8), "gpt2", "causal_lm"),
        (PREFIX, "t5", "seq2seq_lm"),
    ]
    assert [strategy.looks_at for strategy, *_ in cases] == [0, 0, 3]
    for strategy, family, head in cases:
        model: Any = strategy.adapt(model_of(family, head))
        before = model.prompt_encoder["default"].embedding.weight.clone()
        strategy.start(model, [{"input_ids": TEXT}])
        assert torch.equal(model.prompt_encoder["default"].embedding.weight, before)


def test_words_are_where_a_prompt_starts() -> None:
    drawn = PromptTuning(tokens=3, init="words")
    assert drawn.looks_at == PromptTuning(init="random").looks_at == 0
    model: Any = drawn.adapt(model_of("llama", "causal_lm"))
    words = model.get_input_embeddings().weight
    for start in model.prompt_encoder["default"].embedding.weight:
        assert (words == start).all(dim=1).any()
    by_chance: Any = PromptTuning(tokens=3, init="random").adapt(model_of("llama", "causal_lm"))
    assert not (words == by_chance.prompt_encoder["default"].embedding.weight[0]).all(dim=1).any()
    assert PROMPT.looks_at == 3
    PROMPT.start(model, [{"input_ids": TEXT}])
    assert torch.equal(model.prompt_encoder["default"].embedding.weight, words[torch.tensor([9, 4, 7])])


def test_logits_are_those_of_the_text_and_not_of_what_is_in_front() -> None:
    model: Any = PROMPT.adapt(model_of("gpt2", "causal_lm")).eval()
    inputs = families.batch()
    places = inputs["attention_mask"].bool()
    whole = first(model, inputs)
    assert whole.shape[1] == 3 + places.shape[1]
    _, logits = outputs_at(model, inputs, places)
    torch.testing.assert_close(logits, whole[:, 3:][places])


@pytest.mark.parametrize("family", ["distilbert", "deberta", "modernbert", "xlnet", "t5", "bart"])
def test_prefixes_where_there_are_no_keys_from_outside(family: str) -> None:
    model = families.classifier(family).to("meta")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=f"{type(model).__name__} takes no keys and values from outside"):
        PREFIX.adapt(model)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3", "xlnet", "t5", "bart"])
def test_prompts_for_classifiers_that_look_for_the_end(family: str) -> None:
    model = families.classifier(family).to("meta")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=f"{type(model).__name__} finds the end of a text by its tokens"):
        PROMPT.adapt(model)


def test_those_that_read_the_first_token_are_not_refused_for_the_last() -> None:
    # What transformers' classifiers of the refused families do, and of the others do not.
    for family in ("gpt2", "llama", "bert", "roberta"):
        source = inspect.getsource(type(families.classifier(family)).forward)
        generic = inspect.getsource(type(families.classifier(family)).__mro__[1])
        assert ("last_non_pad_token" in source + generic) == (FAMILIES[family].kind == "decoder")


@pytest.mark.parametrize("strategy", [PREFIX, PROMPT])
def test_heads_that_peft_has_no_name_for(strategy: VirtualTokens) -> None:
    with pytest.raises(
        BadInput, match="PEFT puts no learned tokens in front of what BertForMultipleChoice reads"
    ):
        strategy.adapt(model_of("bert", "multiple_choice"))
    assert "multiple_choice" not in (strategy.heads or ())


SIZES: dict[str, Any] = {**families.DECODER, "vocab_size": len(families.VOCABULARY), "pad_token_id": 0}
EXPERTS = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JambaConfig", {"attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False}),
        ("Qwen3NextConfig", EXPERTS),
        ("Lfm2Config", {"layer_types": ["conv", "full_attention"]}),
        ("FalconH1Config", {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_n_groups": 1}),
    ],
)
def test_prefixes_where_some_layers_have_no_keys(kind: str, options: dict[str, Any]) -> None:
    with torch.device("meta"):
        config = getattr(transformers, kind)(**SIZES, **options)
        model = transformers.AutoModelForCausalLM.from_config(config)
    with pytest.raises(BadInput, match="layers that remember something else than keys and values"):
        PREFIX.adapt(model)


def test_prefixes_of_models_whose_keys_are_wider_than_their_values() -> None:
    low = {
        "q_lora_rank": 16,
        "kv_lora_rank": 16,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 8,
        "v_head_dim": 8,
    }
    sizes = {
        **SIZES,
        **low,
        "num_key_value_heads": 2,
        "first_k_dense_replace": 2,
        "n_group": 1,
        "topk_group": 1,
    }
    model: Any = transformers.AutoModelForCausalLM.from_config(transformers.DeepseekV3Config(**sizes))
    adapted = PREFIX.adapt(model)
    with pytest.raises(BadInput, match=r"other keys and values than the 2 layers of 2 × \d+ numbers"):
        PREFIX.start(adapted, [{"input_ids": TEXT}])


def test_what_peft_refuses_is_no_crash() -> None:
    config = transformers.MptConfig(vocab_size=25, d_model=32, n_heads=2, n_layers=2)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    with pytest.raises(BadInput, match="PEFT cannot adapt MptForCausalLM: "):
        PREFIX.adapt(model)


def test_prompts_of_a_model_without_attention() -> None:
    config = transformers.MambaConfig(hidden_size=32, num_hidden_layers=2, state_size=4, vocab_size=25)
    model: Any = PROMPT.adapt(transformers.AutoModelForCausalLM.from_config(config))
    inputs = families.batch()
    assert first(model, inputs).shape == (4, 3 + inputs["input_ids"].shape[1], 25)


@pytest.mark.parametrize("strategy", [PREFIX, PROMPT])
@pytest.mark.parametrize(
    "head", [{"pooling": "mean", "head_layers": []}, {"pooling": None, "head_layers": [8]}]
)
def test_models_that_pool(strategy: VirtualTokens, head: dict[str, Any]) -> None:
    facts = {"id2label": {0: "a", 1: "b"}, "label2id": {"a": 0, "b": 1}, "problem_type": None}
    config = pooled_loading.wrapped(families.config("bert"), {**head, "head_dropout": None}, facts, None)
    with torch.device("meta"):
        model = transformers.AutoModelForSequenceClassification.from_config(config)
    with pytest.raises(BadInput, match="in front of a model that pools") as raised:
        strategy.adapt(model)
    assert raised.value.problems[0].where == "task.pooling"
