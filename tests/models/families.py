"""Small random checkpoints of many architectures, with a tokenizer of their own, for tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ["a", "the", "film", "was", "is", "good", "bad", "very", "not", "dull", "great", "boring", "plot"]
WORDS += ["acting", "of", "and", "in", "it", "this", "that"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = [*SPECIAL, *WORDS, "[MASK]"]
PAD, CLS, SEP = 0, 2, 3

Kind = Literal["encoder", "decoder", "encoder_decoder"]


@dataclass(frozen=True)
class Family:
    config: type[transformers.PretrainedConfig]
    sizes: dict[str, Any]
    # The option of conf/model that is of this architecture.
    option: str | None
    # The modules of a classifier that are not its backbone's; none where there are no classifiers.
    heads: list[str]
    kind: Kind = "encoder"
    # More options of this architecture.
    others: tuple[str, ...] = ()


BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
DECODER = {**BERT, "num_key_value_heads": 1}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": PAD}
BART: dict[str, Any] = {"d_model": 32, "max_position_embeddings": 64, "bos_token_id": CLS}
BART |= {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in
         {"layers": 2, "attention_heads": 2, "ffn_dim": 48}.items()}  # fmt: skip

FAMILIES = {
    "bert": Family(transformers.BertConfig, BERT, "bert_base", ["classifier"], others=("bert", "bert_large")),
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
    "gpt2": Family(
        transformers.GPT2Config,
        {"n_embd": 32, "n_layer": 2, "n_head": 2},
        "gpt2",
        ["score"],
        "decoder",
        ("distilgpt2",),
    ),
    "llama": Family(transformers.LlamaConfig, DECODER, "llama", ["score"], "decoder", ("smollm2",)),
    "qwen3": Family(transformers.Qwen3Config, {**DECODER, "head_dim": 16}, "qwen", ["score"], "decoder"),
    "mistral": Family(transformers.MistralConfig, DECODER, "mistral", ["score"], "decoder"),
    "gemma3": Family(
        transformers.Gemma3TextConfig, {**DECODER, "head_dim": 16}, "gemma", ["score"], "decoder"
    ),
    "t5": Family(transformers.T5Config, T5, "t5_small", ["classification_head"], "encoder_decoder"),
    "flan_t5": Family(
        transformers.T5Config,
        {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        "flan_t5_base",
        ["classification_head"],
        "encoder_decoder",
    ),
    "bart": Family(
        transformers.BartConfig,
        {**BART, "decoder_start_token_id": SEP, "forced_eos_token_id": SEP},
        "bart_base",
        ["classification_head"],
        "encoder_decoder",
    ),
    "marian": Family(
        transformers.MarianConfig,
        {**BART, "decoder_start_token_id": PAD, "forced_eos_token_id": SEP},
        "marian_en_de",
        [],
        "encoder_decoder",
    ),
}
# The strategies that the generated test tries on all of them; of the others it tries one for each kind of head.
EVERYWHERE = ("frozen_backbone", "full", "lora")
# What is in transformers as a classifier, which most tests are about.
CLASSIFIERS = [name for name, family in FAMILIES.items() if family.heads]


def family_of(option: str) -> str:
    """The family of an option of conf/model."""
    return next(name for name, family in FAMILIES.items() if option in (family.option, *family.others))


def tokenizer(
    *, decoder: bool = False, kind: Kind | None = None, **options: Any
) -> transformers.PreTrainedTokenizerFast:
    """Words to numbers. As a decoder's it has neither a padding token nor tokens around a text; as that of an
    encoder–decoder it ends a text."""
    kind = kind or ("decoder" if decoder else "encoder")
    vocabulary = {word: number for number, word in enumerate(VOCABULARY)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = {"unk_token": "[UNK]", "eos_token": "[SEP]"}
    if kind == "decoder":
        return transformers.PreTrainedTokenizerFast(tokenizer_object=words, **ends, **options)
    if kind == "encoder_decoder":
        words.post_processor = processors.TemplateProcessing(
            single="$A [SEP]", pair="$A $B [SEP]", special_tokens=[("[SEP]", SEP)]
        )
        options.setdefault("model_input_names", ["input_ids", "attention_mask"])
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="[PAD]", mask_token="[MASK]", **ends, **options
        )
    # More than some models accept, as on the hub.
    options.setdefault("model_input_names", ["input_ids", "token_type_ids", "attention_mask"])
    words.post_processor = processors.BertProcessing(("[SEP]", SEP), ("[CLS]", CLS))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        **options,
    )


def config(name: str, **options: Any) -> transformers.PretrainedConfig:
    family = FAMILIES[name]
    special = {} if is_decoder(name) else {"pad_token_id": PAD}
    numbers = {"bos_token_id": SEP, "eos_token_id": SEP, **special}
    return family.config(**{"vocab_size": len(VOCABULARY), **numbers, **family.sizes, **options})


def is_decoder(name: str) -> bool:
    return FAMILIES[name].kind == "decoder"


def classifier(name: str, **options: Any) -> transformers.PreTrainedModel:
    """A random classifier of the family, in eval mode."""
    made = random_model(name, "AutoModelForSequenceClassification", **options)
    made.config.pad_token_id = SEP if is_decoder(name) else PAD
    return made


def random_model(name: str, auto_class: str, **options: Any) -> transformers.PreTrainedModel:
    """A random model of the family with the head of an Auto class, in eval mode."""
    torch.manual_seed(0)
    return getattr(transformers, auto_class).from_config(config(name, **options)).eval()


def pretrained(name: str, folder: Path, **options: Any) -> str:
    """A folder with a random backbone, without a head, and its tokenizer."""
    return with_head(name, "AutoModel", folder, **options)


def with_head(name: str, auto_class: str, folder: Path, **options: Any) -> str:
    """A folder with a random model that has the head of an Auto class, and its tokenizer."""
    random_model(name, auto_class, **options).save_pretrained(folder)
    # XLNet reads a text's last token, so its tokenizer pads in front.
    side = "left" if name == "xlnet" else "right"
    tokenizer(kind=FAMILIES[name].kind, padding_side=side).save_pretrained(folder)
    return str(folder)


def batch() -> dict[str, torch.Tensor]:
    """Four texts of different lengths, padded on the right."""
    ids = torch.tensor([[2, 4, 5, 6, 3, 0], [2, 9, 3, 0, 0, 0], [2, 7, 8, 9, 10, 3], [2, 5, 5, 3, 0, 0]])
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}
