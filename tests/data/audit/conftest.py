"""A tokenizer of bytes, of a model that reads from left to right."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration and tokenizer of a GPT-2 whose vocabulary are the 256 bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny_decoder")
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {sign: number for number, sign in enumerate([*signs, "<|endoftext|>"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    end = "<|endoftext|>"
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=end,
        bos_token=end,
        unk_token=end,
        pad_token=end,
        model_max_length=256,
    )
    fast.save_pretrained(folder)
    GPT2Config(vocab_size=257, n_positions=256, n_embd=16, n_layer=1, n_head=2).save_pretrained(folder)
    return folder
