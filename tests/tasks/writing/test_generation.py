"""What is generated equals a search by hand and transformers' own, and the model is left as it was."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from pydantic import ValidationError

from pipeline.errors import BadInput
from pipeline.strategies.lora import Lora
from pipeline.tasks.writing.generation import (
    Generation,
    generate,
    prompt_batch,
    prompt_room,
    texts_of,
    up_to_end,
)
from tests.models import families
from tests.models.families import FAMILIES

WRITERS = {"decoder": "AutoModelForCausalLM", "encoder_decoder": "AutoModelForSeq2SeqLM"}
PROMPTS = [[5, 6, 7, 8], [9], [10, 11]]
SHORT = Generation(max_new_tokens=6)


def writer(name: str, **options: Any) -> Any:
    torch.manual_seed(1)
    auto = getattr(transformers, WRITERS[FAMILIES[name].kind])
    model = auto.from_config(families.config(name, **options))
    # Far from uniform, so that no two tokens are about equally likely.
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    return model.eval()


def tokenizer(kind: Any = "decoder") -> Any:
    made = families.tokenizer(kind=kind)
    made.pad_token = made.pad_token or made.eos_token
    return made


def prompts(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    return prompt_batch([{"prompt_ids": row} for row in rows], tokenizer())


def sources(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    made = tokenizer("encoder_decoder").pad({"input_ids": rows}, return_tensors="pt")
    return {"input_ids": made["input_ids"], "attention_mask": made["attention_mask"]}


def by_hand(step: Callable[[list[int]], torch.Tensor], end: int, most: int) -> list[int]:
    """Always the likeliest token, without a cache."""
    written: list[int] = []
    while len(written) < most and end not in written:
        written.append(int(step(written).argmax()))
    return written


@pytest.mark.parametrize("name", ["gpt2", "llama", "mistral", "gemma3"])
def test_a_decoder_goes_on_from_each_prompt_as_if_it_were_alone(name: str) -> None:
    model = writer(name)
    found = generate(model, prompts(PROMPTS), SHORT, encoder_decoder=False)
    end = model.config.eos_token_id
    with torch.no_grad():
        expected = [
            by_hand(lambda new, row=row: model(torch.tensor([row + new])).logits[0, -1], end, 6)
            for row in PROMPTS
        ]
    assert found == expected


@pytest.mark.parametrize("name", ["t5", "bart", "marian"])
def test_an_encoder_decoder_writes_for_each_source(name: str) -> None:
    model = writer(name, forced_eos_token_id=None)
    batch = sources(PROMPTS)
    found = generate(model, batch, SHORT, encoder_decoder=True)
    start, end = model.config.decoder_start_token_id, model.config.eos_token_id

    def step(row: list[int], new: list[int]) -> torch.Tensor:
        ids = torch.tensor([row])
        return model(input_ids=ids, decoder_input_ids=torch.tensor([[start, *new]])).logits[0, -1]

    with torch.no_grad():
        assert found == [by_hand(lambda new, row=row: step(row, new), end, 6) for row in PROMPTS]


def test_beams_are_transformers_own() -> None:
    model, batch = writer("gpt2"), prompts(PROMPTS)
    settings = Generation(max_new_tokens=6, num_beams=3, length_penalty=2.0, no_repeat_ngram_size=2)
    found = generate(model, batch, settings, encoder_decoder=False)
    made = model.generate(
        input_ids=batch["prompt_ids"],
        attention_mask=batch["prompt_mask"],
        max_new_tokens=6,
        num_beams=3,
        length_penalty=2.0,
        no_repeat_ngram_size=2,
        pad_token_id=3,
    )
    width = batch["prompt_ids"].shape[1]
    assert found == [up_to_end(row, {model.config.eos_token_id}) for row in made[:, width:].tolist()]


def test_several_texts_for_each_prompt_follow_each_other() -> None:
    model, batch = writer("gpt2"), prompts(PROMPTS)
    best = generate(model, batch, Generation(max_new_tokens=6, num_beams=4), encoder_decoder=False)
    several = Generation(max_new_tokens=6, num_beams=4, num_return_sequences=3)
    found = generate(model, batch, several, encoder_decoder=False)
    assert len(found) == 9 and found[::3] == best


def test_drawing_depends_on_prompts_and_seed_and_leaves_torchs_numbers_alone() -> None:
    model, batch = writer("gpt2"), prompts(PROMPTS)
    drawing = Generation(max_new_tokens=8, do_sample=True, temperature=2.0, top_k=20, top_p=0.95)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    found = generate(model, batch, drawing, encoder_decoder=False)
    assert torch.equal(torch.rand(3), expected)
    assert generate(model, batch, drawing, encoder_decoder=False) == found
    other = Generation(max_new_tokens=8, do_sample=True, temperature=2.0, seed=1)
    assert generate(model, batch, other, encoder_decoder=False) != found


def test_the_model_is_left_as_it_was_and_its_own_settings_do_not_count() -> None:
    plain, model = writer("bart"), writer("bart")
    own = model.generation_config
    own.min_length, own.num_beams, own.repetition_penalty, own.max_length = 5, 4, 9.0, 7
    before = own.to_dict()
    model.train()
    model.model.encoder.eval()
    batch = sources(PROMPTS)
    assert generate(model, batch, SHORT, encoder_decoder=True) == generate(
        plain, batch, SHORT, encoder_decoder=True
    )
    assert model.generation_config is own and own.to_dict() == before
    assert model.training and not model.model.encoder.training and model.model.decoder.training


def test_what_the_checkpoint_knows_of_its_tokens_counts() -> None:
    model, batch = writer("bart"), sources(PROMPTS)
    assert model.generation_config.forced_eos_token_id == families.SEP
    model.generation_config.forced_bos_token_id = 7
    model.generation_config.suppress_tokens = [8, 9, 10]
    found = generate(model, batch, SHORT, encoder_decoder=True)
    assert all(row[0] == 7 and row[-1] == families.SEP and not {8, 9, 10} & {*row} for row in found)
    assert all(row[0] == 6 for row in generate(model, batch, SHORT, encoder_decoder=True, forced_bos=6))


def test_further_ends_of_text() -> None:
    model, batch = writer("gpt2"), prompts([PROMPTS[0]])
    (free,) = generate(model, batch, SHORT, encoder_decoder=False)
    (cut,) = generate(model, batch, SHORT, encoder_decoder=False, end_ids=[free[0]])
    assert len(free) > 1 and cut == free[:1]


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_adapters_write(name: str) -> None:
    model, decoder = writer(name), name == "gpt2"
    batch = prompts(PROMPTS) if decoder else sources(PROMPTS)
    expected = generate(model, batch, SHORT, encoder_decoder=not decoder)
    adapted = Lora(modules=["c_attn"] if decoder else ["q", "v"]).adapt(model)
    assert generate(adapted, batch, SHORT, encoder_decoder=not decoder) == expected


def test_more_than_the_model_has_positions_for() -> None:
    model = writer("gpt2", n_positions=8)
    with pytest.raises(BadInput, match="6 tokens after a prompt of 4 are more than the 8") as raised:
        generate(model, prompts(PROMPTS), SHORT, encoder_decoder=False)
    assert raised.value.problems[0].allowed == "at most 4"
    (row,) = generate(
        writer("bart", forced_eos_token_id=None, eos_token_id=None),
        sources([[5, 6]]),
        Generation(max_new_tokens=500),
        encoder_decoder=True,
    )
    assert len(row) == 64


def test_room_for_prompts() -> None:
    made = families.tokenizer(kind="decoder", model_max_length=20)
    assert prompt_room(made, SHORT) == 14
    with pytest.raises(BadInput, match=r"task\.generation\.max_new_tokens.*\n.*at most 4"):
        prompt_room(made, SHORT, least=16)


def test_an_empty_prompt_becomes_the_token_that_ends_texts() -> None:
    batch = prompts([[], [5, 6]])
    assert batch["prompt_ids"].tolist() == [[3, 3], [5, 6]]
    assert batch["prompt_mask"].tolist() == [[0, 1], [1, 1]]


def test_texts_have_no_special_tokens() -> None:
    made = tokenizer()
    ids = made("the film was good")["input_ids"]
    assert texts_of(made, [[*ids, 3], [3], []]) == ["the film was good", "", ""]


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"temperature": 0.5, "top_p": 0.5}, ["temperature and top_p: only counts with do_sample"]),
        ({"length_penalty": 2.0}, ["length_penalty: only counts with num_beams"]),
        ({"min_new_tokens": 200}, ["min_new_tokens 200 is above max_new_tokens 128"]),
        ({"num_return_sequences": 2, "top_k": 5}, ["top_k: only", "num_return_sequences 2 needs"]),
        ({"temperature": 0.0}, ["greater than 0"]),
        ({"max_new_tokens": 0, "top_p": 1.5}, ["max_new_tokens", "top_p"]),
        ({"beams": 2}, ["beams"]),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ValidationError) as raised:
        Generation(**options)
    assert all(part in str(raised.value) for part in parts)
