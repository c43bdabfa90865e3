"""Prompts and targets keep what they must of tokens, and batches line up."""

from typing import Any

import pytest
import torch

from pipeline.errors import BadInput
from pipeline.tasks.text_to_text import TextToText
from pipeline.tasks.token_loss import IGNORED
from pipeline.tasks.writing.encoding import (
    collate_for_decoder,
    collate_for_encoder_decoder,
    encode_for_decoder,
    encode_for_encoder_decoder,
    fit,
)
from pipeline.tasks.writing.generation import Generation
from tests.models import families
from tests.models.families import SEP, VOCABULARY


def tokenizer(kind: Any, most: int = 64) -> Any:
    made = families.tokenizer(kind=kind, model_max_length=most)
    made.pad_token = made.pad_token or made.eos_token
    return made


def words(ids: list[int]) -> str:
    return " ".join(VOCABULARY[token] for token in ids)


def rows_of(features: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(features, row, strict=True)) for row in zip(*features.values(), strict=True)]


LONG = "the film was good and the plot was dull and the acting was great"
SMALL = {"max_source_length": 8, "max_target_length": 4, "generation": Generation(max_new_tokens=4)}


def test_an_encoder_decoder_gets_source_and_target_with_their_ends() -> None:
    task = TextToText(**SMALL, prompt="this is {source}")
    made = encode_for_encoder_decoder(
        ["good", LONG], ["bad", "very very very dull"], task, tokenizer("encoder_decoder")
    )
    assert [words(ids) for ids in made["input_ids"]] == [
        "this is good [SEP]",
        "this is the film was good and [SEP]",
    ]
    assert [words(ids) for ids in made["labels"]] == ["bad [SEP]", "very very very [SEP]"]
    assert made["length"] == [6, 12] and made["truncated"] == [False, True]


def test_what_follows_a_source_in_the_prompt_stays() -> None:
    task = TextToText(**SMALL, prompt="{source} is it good")
    (ids,) = encode_for_encoder_decoder([LONG], None, task, tokenizer("encoder_decoder"))["input_ids"]
    assert words(ids) == "the film was good is it good [SEP]"


def test_a_decoder_gets_the_target_after_the_prompt() -> None:
    task = TextToText(**SMALL, prompt="this is {source}", separator=" and")
    made = encode_for_decoder(["good", LONG], ["bad", "very very very dull"], task, tokenizer("decoder"))
    assert [words(ids) for ids in made["input_ids"]] == [
        "this is good and bad [SEP]",
        # No end of text: the target goes on.
        "this is the film was good and and very very very dull",
    ]
    assert (
        made["prompt_length"] == [4, 8] and made["length"] == [6, 12] and made["truncated"] == [False, True]
    )
    asked = encode_for_decoder(["good"], None, task, tokenizer("decoder"))
    assert words(asked["input_ids"][0]) == "this is good and" and asked["prompt_length"] == [4]


def test_a_decoders_first_token_stays_and_an_empty_source_has_a_prompt() -> None:
    from tokenizers import processors

    made = tokenizer("decoder")
    task = TextToText(**SMALL, separator="")
    assert encode_for_decoder([""], None, task, made)["input_ids"] == [[SEP]]
    made.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", families.CLS), ("[SEP]", SEP)]
    )
    found = encode_for_decoder(["good film"], ["bad"], task, made)["input_ids"]
    assert words(found[0]) == "[CLS] good film bad [SEP]"


@pytest.mark.parametrize("separator", ["\n", r"\n"])
def test_line_ends_of_prompts_as_the_command_line_has_them(separator: str) -> None:
    seen: list[str] = []

    class Seen:
        model_max_length, eos_token_id, pad_token_id = 500, 3, 0

        def __call__(self, texts: Any, **_: Any) -> dict[str, Any]:
            seen.extend([texts] if isinstance(texts, str) else texts)
            return {"input_ids": [5] if isinstance(texts, str) else [[5] for _ in texts]}

    made: Any = Seen()
    encode_for_decoder(["good"], None, TextToText(separator=separator), made)
    assert "good\n" in seen


def test_room_for_what_is_written() -> None:
    task = TextToText(generation=Generation(max_new_tokens=20), max_target_length=10)
    (ids,) = encode_for_decoder([f"{LONG} {LONG} {LONG}"], None, task, tokenizer("decoder", 40))["input_ids"]
    assert len(ids) == 20
    for options, where in [
        ({"generation": Generation(max_new_tokens=39)}, "task.generation.max_new_tokens"),
        ({"max_target_length": 41}, "task.max_target_length"),
        ({"max_target_length": 39, "generation": Generation(max_new_tokens=1)}, "task.max_target_length"),
        ({"max_source_length": 30, "generation": Generation(max_new_tokens=20)}, "task.max_source_length"),
        ({"max_length": 30, "generation": Generation(max_new_tokens=20)}, "task.max_source_length"),
    ]:
        with pytest.raises(BadInput) as raised:
            encode_for_decoder(["good"], ["bad"], TextToText(**options), tokenizer("decoder", 40))
        assert raised.value.problems[0].where == where
    with pytest.raises(BadInput, match="65 is more than the model can take"):
        encode_for_encoder_decoder(
            ["good"], None, TextToText(max_source_length=65), tokenizer("encoder_decoder")
        )


@pytest.mark.parametrize("limit", [3, 4, 11, 30, 1_000])
def test_as_much_of_a_source_as_fits(limit: int) -> None:
    text = "ab 我们去北京 😀 " * 40
    calls = 0

    def encode(source: str) -> list[int]:
        nonlocal calls
        calls += 1
        return [1, *source.encode(), 2]  # uneven: up to 4 tokens a character

    found = fit(text, limit, encode)
    most = max(n for n in range(len(text) + 1) if len(text[:n].encode()) + 2 <= limit)
    assert found == [1, *text[:most].encode(), 2]
    assert calls < 20


def test_a_prompt_that_is_too_long_alone() -> None:
    with pytest.raises(BadInput, match="the prompt alone takes 5 tokens of the 4"):
        fit("x", 4, lambda source: [0] * 5)


def test_an_encoder_decoders_batch() -> None:
    features = [
        {"input_ids": [5, 6, 3], "labels": [7, 3], "length": 5},
        {"input_ids": [5, 3], "labels": [7, 8, 3], "length": 5},
    ]
    batch = collate_for_encoder_decoder(features, tokenizer("encoder_decoder"), None)
    assert batch["input_ids"].tolist() == [[5, 6, 3], [5, 3, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["labels"].tolist() == [[7, 3, IGNORED], [7, 8, 3]]
    wide = collate_for_encoder_decoder(features, tokenizer("encoder_decoder"), 8)
    assert wide["input_ids"].shape == wide["labels"].shape == (2, 8)


@pytest.mark.parametrize("multiple", [None, 8])
def test_a_decoders_labels_belong_to_the_last_positions(multiple: int | None) -> None:
    made = tokenizer("decoder")
    task = TextToText(**SMALL, separator=" and")
    features = rows_of(encode_for_decoder(["good film", "dull"], ["bad", "not not great"], task, made))
    batch = collate_for_decoder(features, made, multiple)
    width = batch["input_ids"].shape[1]
    assert width == (8 if multiple else 6)
    whole = torch.full((2, width), IGNORED)
    whole[:, width - batch["labels"].shape[1] :] = batch["labels"]
    for row, feature in enumerate(features):
        prompt = feature["prompt_length"]
        end = len(feature["input_ids"])
        assert whole[row, prompt:end].tolist() == feature["input_ids"][prompt:]
        assert set(whole[row].tolist()) - set(feature["input_ids"][prompt:]) == {IGNORED}
        assert batch["attention_mask"][row].tolist() == [1] * end + [0] * (width - end)
        asked = batch["prompt_ids"][row][batch["prompt_mask"][row] == 1]
        assert asked.tolist() == feature["input_ids"][:prompt]
    assert batch["prompt_mask"].tolist() == [[1, 1, 1], [0, 1, 1]]


def test_a_batch_of_what_is_asked_has_no_labels() -> None:
    made = tokenizer("decoder")
    features = rows_of(encode_for_decoder(["good film", "dull"], None, TextToText(**SMALL), made))
    assert "labels" not in collate_for_decoder(features, made, None)
