"""Small random checkpoints of many architectures, with a tokenizer of their own, for tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ["a", "the", "film", "was", "is", "good", "bad", "very", "not", "dull", "great", "boring", "plot"]
WORDS += ["acting", "of", "and", "in", "it", "this", "that"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


@dataclass(frozen=True)
class Family:
    config: type[transformers.PretrainedConfig]
    sizes: dict[str, Any]
    # The option of conf/model that is of this architecture.
    option: str | None
    heads: list[str]


BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
DECODER = {**BERT, "num_key_value_heads": 1}

FAMILIES = {
    "bert": Family(transformers.BertConfig, BERT, "bert_base", ["classifier"]),
    "roberta": Family(
        transformers.RobertaConfig,
        {**BERT, "max_position_embeddings": 66, "pad_token_id": 0},
        "roberta_base",
        ["classifier"],
    ),
    "distilbert": Family(
        transformers.DistilBertConfig,
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48},
        "distilbert",
        ["pre_classifier", "classifier"],
    ),
    "deberta": Family(
        transformers.DebertaV2Config,
        {**BERT, "pooler_hidden_size": 32, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
        "deberta_v3_base",
        ["pooler", "classifier"],
    ),
    "modernbert": Family(transformers.ModernBertConfig, BERT, "modernbert_base", ["head", "classifier"]),
    "xlnet": Family(
        transformers.XLNetConfig,
        {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 48},
        "xlnet_base",
        ["sequence_summary", "logits_proj"],
    ),
    "electra": Family(
        transformers.ElectraConfig, {**BERT, "embedding_size": 16}, "electra_base", ["classifier"]
    ),
    "gpt2": Family(transformers.GPT2Config, {"n_embd": 32, "n_layer": 2, "n_head": 2}, None, ["score"]),
    "llama": Family(transformers.LlamaConfig, DECODER, None, ["score"]),
}


def tokenizer(*, decoder: bool = False, **options: Any) -> transformers.PreTrainedTokenizerFast:
    """Words to numbers. As a decoder's it has neither a padding token nor tokens around a text."""
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    if decoder:
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=words, unk_token="[UNK]", eos_token="[SEP]", **options
        )
    # More than some models accept, as on the hub.
    options.setdefault("model_input_names", ["input_ids", "token_type_ids", "attention_mask"])
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        **options,
    )


def config(name: str, **options: Any) -> transformers.PretrainedConfig:
    family = FAMILIES[name]
    special = {} if is_decoder(name) else {"pad_token_id": 0}
    numbers = {"bos_token_id": 3, "eos_token_id": 3, **special}
    return family.config(
        **{"vocab_size": len(SPECIAL) + len(WORDS), **numbers, **family.sizes, **options}  # type: ignore[arg-type]
    )


def is_decoder(name: str) -> bool:
    return name in ("gpt2", "llama")


def classifier(name: str, **options: Any) -> transformers.PreTrainedModel:
    """A random classifier of the family, in eval mode."""
    torch.manual_seed(0)
    made = transformers.AutoModelForSequenceClassification.from_config(config(name, **options))
    made.config.pad_token_id = 3 if is_decoder(name) else 0
    return made.eval()


def pretrained(name: str, folder: Path, **options: Any) -> str:
    """A folder with a random backbone, without a head, and its tokenizer."""
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config(name, **options)).save_pretrained(folder)
    # XLNet reads a text's last token, so its tokenizer pads in front.
    side = "left" if name == "xlnet" else "right"
    tokenizer(decoder=is_decoder(name), padding_side=side).save_pretrained(folder)
    return str(folder)


def batch() -> dict[str, torch.Tensor]:
    """Four texts of different lengths, padded on the right."""
    ids = torch.tensor([[2, 4, 5, 6, 3, 0], [2, 9, 3, 0, 0, 0], [2, 7, 8, 9, 10, 3], [2, 5, 5, 3, 0, 0]])
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}
