"""Models without a checkpoint's weights: its architecture in sizes of one's own, and a tokenizer of the run's data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.fetch.cache import entry
from pipeline.models.origin import Located

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint

SIZES, VOCABULARY = "model.sizes", "model.vocab_size"
# Changes when blueprints that older versions made must not be read any more.
_FORMAT = 1
# Keys of a configuration that follow from the tokenizer.
_FIXED = ("vocab_size", "quantization_config")
# Sizes that others follow from, by the names that transformers knows them by in every architecture; and names that
# architectures have for the size of one attention head.
_FOLLOWED = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads")
_SIZES_OF_HEADS = ("head_dim", "d_head", "d_kv")
_TEXTS_AT_ONCE = 1_000


def blueprint(
    checkpoint: Checkpoint, located: Located, data: str, texts: Callable[[], Iterable[str]]
) -> Located:
    """A folder with the configuration and the tokenizer of a model that is yet to get weights, made once.

    located: where the checkpoint lies whose architecture it is. data: fingerprint of what ``texts`` gives, which are
    read where a tokenizer is trained. Raises BadInput for sizes that do not fit the architecture, and a tokenizer that
    cannot be trained anew.
    """
    trained_on = data if checkpoint.vocab_size else None
    what = [_FORMAT, located.fingerprint, dict(checkpoint.sizes), checkpoint.vocab_size, trained_on]
    key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def build(folder: Path) -> None:
        source = checkpoint.plain()
        config = resized(source.config(located.folder), checkpoint.sizes)
        tokenizer = source.tokenizer(located.folder)
        if checkpoint.vocab_size:
            trained = trained_tokenizer(tokenizer, texts(), checkpoint.vocab_size)
            follow_vocabulary(config, tokenizer, trained)
            tokenizer = trained
        positions = config.attribute_map.get("max_position_embeddings", "max_position_embeddings")
        if {positions, "max_position_embeddings"} & set(checkpoint.sizes):
            tokenizer.model_max_length = getattr(config, positions)
        config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return Located(str(entry("from_scratch", key, build)), key, located.commit)


def resized(config: PretrainedConfig, sizes: Mapping[str, Any]) -> PretrainedConfig:
    """``config`` with other sizes; what followed from the old ones follows from the new ones.

    sizes: by any name that transformers knows them by (``hidden_size`` for GPT-2's ``n_embd`` too).
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import PreTrainedConfig

    values = {name: value for name, value in config.to_dict().items() if name != "quantization_config"}
    # What every configuration has is no size, but says what kind of file it is, or what is asked of the model.
    others = {*PreTrainedConfig().to_dict(), *_FIXED, *(name for name in values if name.endswith("token_id"))}
    names = sorted({*values, *config.attribute_map} - others)
    problems = [
        Problem(
            f"{SIZES}.{name}",
            f"the configuration of {config.model_type} has no size {name!r}",
            f"{listing(names, most=60)}"
            + ("; the vocabulary: model.vocab_size" if name == "vocab_size" else ""),
            nearest(name, names),
        )
        for name in sizes
        if name not in names
    ]
    if problems:
        raise BadInput(problems)
    given = {config.attribute_map.get(name, name): value for name, value in sizes.items()}
    values = {
        name: value for name, value in values.items() if name not in _derived(config, values, given)
    } | given
    try:
        made = type(config).from_dict(values)
    except (ValueError, TypeError, ArithmeticError, StrictDataclassError) as error:
        raise BadInput(Problem(SIZES, " ".join(str(error).split()), "sizes that fit each other")) from error
    heads, groups = (getattr(made, name, None) for name in ("num_attention_heads", "num_key_value_heads"))
    if isinstance(heads, int) and isinstance(groups, int) and (not groups or heads % groups):
        what = f"{heads} attention heads cannot share {groups} heads of keys and values"
        raise BadInput(Problem(f"{SIZES}.num_key_value_heads", what, f"a divisor of {heads}"))
    return made


def _derived(config: PretrainedConfig, values: Mapping[str, Any], given: Mapping[str, Any]) -> set[str]:
    """Values that stood in the configuration because of the sizes that change, and were not given."""
    layers, hidden, heads, groups = (getattr(config, name, None) for name in _FOLLOWED)
    changed = {name for name in _FOLLOWED if config.attribute_map.get(name, name) in given}
    found: set[str] = set()
    if "num_hidden_layers" in changed:
        found |= {name for name, value in values.items() if isinstance(value, list) and len(value) == layers}
    if "num_attention_heads" in changed and groups == heads:
        found.add(config.attribute_map.get("num_key_value_heads", "num_key_value_heads"))
    if {"hidden_size", "num_attention_heads"} & changed and hidden and heads:
        found |= {name for name in _SIZES_OF_HEADS if values.get(name) == hidden // heads}
    return found - set(given)


def trained_tokenizer(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], vocab_size: int
) -> PreTrainedTokenizerBase:
    """A tokenizer of the same kind (WordPiece, byte-level BPE, Unigram, …), with the same special tokens and rules,
    whose ``vocab_size`` words are those of ``texts``; fewer where these have not as many."""
    kind = type(tokenizer).__name__
    if not tokenizer.is_fast:
        what = f"{kind} cannot be trained anew"
        raise BadInput(
            Problem(VOCABULARY, what, "null, or a checkpoint with a fast tokenizer (tokenizer.json)")
        )
    try:
        trained = tokenizer.train_new_from_iterator(_batches(texts), vocab_size, show_progress=False)
    except Exception as error:
        # What tokenizers raises for fewer words than the data have characters is of no class of its own.
        if type(error) is not Exception and not isinstance(error, ValueError):
            raise
        what = f"{kind} cannot be trained anew: {error}"
        raise BadInput(Problem(VOCABULARY, what, "null, or more words")) from error
    if len(trained) > vocab_size:
        what = f"{vocab_size} is less than the special tokens and single characters of the data"
        raise BadInput(Problem(VOCABULARY, what, f"at least {len(trained)}"))
    if _around(trained) != _around(tokenizer):
        raise BadInput(
            Problem(VOCABULARY, f"{kind} loses its special tokens when it is trained anew", "null")
        )
    trained.chat_template = tokenizer.chat_template
    trained.model_max_length = tokenizer.model_max_length
    trained.model_input_names = tokenizer.model_input_names
    return trained


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(texts)
    while some := list(islice(rest, _TEXTS_AT_ONCE)):
        yield some


def _around(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The special tokens that the tokenizer puts around a text."""
    special = set(tokenizer.all_special_ids)
    return tokenizer.convert_ids_to_tokens([one for one in tokenizer("").input_ids if one in special])  # type: ignore[return-value]


def follow_vocabulary(
    config: PretrainedConfig, before: PreTrainedTokenizerBase, now: PreTrainedTokenizerBase
) -> None:
    """Set the vocabulary's size in ``config``, and the numbers that its special tokens have in it."""
    numbers = now.get_vocab()

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [new for old in value if (new := moved(old)) is not None]
        token = before.convert_ids_to_tokens(value) if 0 <= value < len(before) else None
        return None if token is None else numbers.get(str(token))

    for name, value in config.to_dict().items():
        if name.endswith("token_id") and value is not None:
            setattr(config, name, moved(value))
    for name in ("pad", "bos", "eos"):
        if getattr(config, f"{name}_token_id", None) is None:
            setattr(config, f"{name}_token_id", getattr(now, f"{name}_token_id"))
    config.vocab_size = len(now)
