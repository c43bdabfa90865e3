"""Texts are cut and padded as the tokenizer itself does it."""

from typing import Any

import pytest
import torch

from pipeline.errors import BadInput
from pipeline.tasks.encoding import encode_texts, longest_input, pad
from tests.models import families

LONG = "the plot of this film was not very good and it is dull"


def encode(
    texts: list[Any], pairs: list[Any] | None = None, length: int | None = None, **options: Any
) -> Any:
    return encode_texts(texts, pairs, families.tokenizer(**options), length, 512)


def test_what_is_encoded_is_what_the_tokenizer_gives() -> None:
    tokenizer = families.tokenizer()
    features = encode(["a good film", LONG])
    expected = tokenizer(["a good film", LONG], truncation=True)
    assert features["input_ids"] == expected["input_ids"]
    assert features["length"] == [5, 15]
    assert features["truncated"] == [False, False]
    assert "attention_mask" not in features


def test_a_long_text_is_cut_and_says_so() -> None:
    features = encode(["a good film", LONG], length=6)
    assert features["length"] == [5, 6] and features["truncated"] == [False, True]
    assert features["input_ids"][1] == families.tokenizer()(LONG, truncation=True, max_length=6)["input_ids"]


def test_a_pair_is_cut_at_its_longer_text() -> None:
    features = encode([LONG, "a film"], ["a film", "is good"], length=9)
    expected = families.tokenizer()(LONG, "a film", truncation="longest_first", max_length=9)
    assert features["input_ids"][0] == expected["input_ids"]
    assert features["token_type_ids"][0] == expected["token_type_ids"] and 1 in expected["token_type_ids"]
    assert features["truncated"] == [True, False]


def test_the_model_bounds_the_length() -> None:
    tokenizer = families.tokenizer(model_max_length=20)
    assert longest_input(tokenizer, None, 512, pair=False) == 20
    assert longest_input(tokenizer, 20, 512, pair=False) == 20
    assert longest_input(families.tokenizer(), None, 512, pair=False) == 512
    for asked, pair in ((21, False), (2, False), (4, True)):
        with pytest.raises(BadInput, match=rf"task.max_length: {asked}.*\n.*{5 if pair else 3} to 20"):
            longest_input(tokenizer, asked, 512, pair=pair)


def test_an_empty_text_is_never_an_empty_input() -> None:
    tokenizer = families.tokenizer(decoder=True)
    tokenizer.pad_token = tokenizer.eos_token
    features = encode_texts(["", "a film"], None, tokenizer, None, 512)
    assert features["input_ids"] == [[3], [4, 6]] and features["length"] == [1, 2]


def test_what_is_not_text_is_refused() -> None:
    with pytest.raises(BadInput, match=r"data\.columns\.text: no text, but None"):
        encode(["a film", None])
    with pytest.raises(BadInput, match=r"data\.columns\.text_pair: no text, but 7"):
        encode(["a film"], [7])


@pytest.mark.parametrize("multiple", [None, 8])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pairs", [None, [LONG, "a film", "dull"]])
def test_a_batch_is_padded_as_the_tokenizer_would(
    multiple: int | None, side: str, pairs: list[str] | None
) -> None:
    tokenizer = families.tokenizer()
    tokenizer.padding_side = side
    tokenizer._pad_token_type_id = 7
    texts = ["a good film", LONG, "dull"]
    features = encode(texts, pairs)
    rows = [{name: values[i] for name, values in features.items()} for i in range(3)]
    batch = pad(rows, tokenizer, multiple)
    expected = tokenizer(texts, pairs, padding=True, pad_to_multiple_of=multiple, return_tensors="pt")
    assert batch.keys() == expected.keys()
    assert all(torch.equal(batch[name], expected[name]) for name in batch)


def test_a_slow_tokenizer_notices_cuts_too() -> None:
    fast = families.tokenizer()

    class Slow:
        """A tokenizer without the encodings of the Rust library."""

        def __getattr__(self, name: str) -> Any:
            return getattr(fast, name)

        def __call__(self, *arguments: Any, **options: Any) -> Any:
            encoded = fast(*arguments, **options)
            encoded._encodings = None
            return encoded

    slow: Any = Slow()
    assert encode_texts(["a film", LONG], None, slow, 6, 512)["truncated"] == [False, True]
