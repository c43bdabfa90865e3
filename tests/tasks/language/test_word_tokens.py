"""Which tokens make a word, by the tokenizers of several kinds."""

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pipeline.errors import BadInput
from pipeline.tasks.language.masking import NO_WORD
from pipeline.tasks.language.word_tokens import Tokens, special, tokens_of

TEXT = "Unbelievably good acting 😀"


def words_of(text: str, tokenizer: Any) -> list[str]:
    (tokens,) = tokens_of([text], tokenizer, whole_words=True)
    found: dict[int, list[int]] = {}
    for number, token in zip(tokens.words(), tokens.ids, strict=True):
        found.setdefault(number, []).append(token)
    return [tokenizer.decode(ids).strip() for ids in found.values()]


def trained(pre_tokenizer: Any, decoder: Any) -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizer, decoder
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(["a b c good"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made)


def test_wordpiece(minilm: Path) -> None:
    words = words_of("Unbelievably good-natured acting", AutoTokenizer.from_pretrained(minilm))
    assert words == ["unbelievably", "good", "-", "natured", "acting"]


def test_byte_level() -> None:
    tokenizer = trained(pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel())
    assert words_of(TEXT, tokenizer) == TEXT.split()


def test_a_tokenizer_that_does_not_cut_at_spaces_is_refused() -> None:
    tokenizer = trained(
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False), decoders.ByteLevel()
    )
    with pytest.raises(BadInput, match=r"task\.whole_words.*does not know which tokens make a word"):
        tokens_of([TEXT], tokenizer, whole_words=True)
    (tokens,) = tokens_of([TEXT], tokenizer, whole_words=False)
    assert tokens.words() == list(range(len(tokens)))


def test_a_word_that_a_block_begins_with_the_rest_of_is_a_word() -> None:
    tokens = special([1]) + Tokens([5, 6, 7, 8], [False, False, True, False]) + special([2])
    assert tokens.words() == [NO_WORD, 0, 0, 1, 1, NO_WORD]
