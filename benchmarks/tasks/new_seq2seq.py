"""A small encoder-decoder (BART's architecture) with random weights, from which both sides start.

It stands in for a pretrained one where the hub cannot be reached. The same texts make the same bytes.
"""

from collections.abc import Iterable
from pathlib import Path

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
START, PAD, END = 0, 1, 2


def save_new(
    folder: Path, texts: Iterable[str], words: int = 4_000, size: int = 192, layers: int = 2
) -> None:
    """Write model and tokenizer, a byte-level BPE of ``texts`` with so many words, to ``folder``."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=words, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="<s> $A </s>", special_tokens=[("<s>", START), ("</s>", END)]
    )
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=128,
        model_input_names=["input_ids", "attention_mask"],
        **names,
    ).save_pretrained(folder)
    sides = {"layers": layers, "attention_heads": 4, "ffn_dim": 4 * size}
    config = transformers.BartConfig(
        vocab_size=len(tokenizer.get_vocab()),
        d_model=size,
        max_position_embeddings=128,
        bos_token_id=START,
        pad_token_id=PAD,
        eos_token_id=END,
        decoder_start_token_id=END,
        forced_eos_token_id=END,
        **{f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in sides.items()},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.BartForConditionalGeneration(config).save_pretrained(folder)
