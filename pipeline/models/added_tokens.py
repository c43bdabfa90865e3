"""Words that a checkpoint's tokenizer does not know, made into tokens of their own: markers of entities or turns."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing
from pipeline.fetch.cache import entry
from pipeline.models.config_files import check_known, loaded_config, loaded_tokenizer, read_config
from pipeline.models.origin import WHERE, Located

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KEY = "model.added_tokens"
# In the configuration, the numbers of the tokens: what a strategy that freezes the rest still has to train.
IDS = "added_token_ids"
# Changes when folders that older versions made must not be read any more.
_FORMAT = 1


def widened(located: Located, tokens: Sequence[str]) -> Located:
    """A folder with the checkpoint, whose tokenizer and vocabulary have ``tokens`` besides, made once.

    A new row of an embedding starts as the mean of those of the pieces that the token was written with before, so that
    the model reads it as something like what it read until now. Raises BadInput for tokens that are empty, given twice
    or known already, or of which the tokenizer reads nothing, and for a checkpoint that is broken or no model of
    transformers.
    """
    what = [_FORMAT, located.fingerprint, list(tokens)]
    key = hashlib.sha256(json.dumps(what).encode()).hexdigest()
    folder = entry("added_tokens", key, lambda folder: _write(Path(located.folder), tokens, folder))
    return Located(str(folder), key, located.commit)


def _write(source: Path, tokens: Sequence[str], folder: Path) -> None:
    import torch
    from transformers import AddedToken

    from pipeline.models.loading import quiet, reading, report_of

    kind = _kind(source)
    tokenizer = loaded_tokenizer(source)
    pieces = [tokenizer(token, add_special_tokens=False).input_ids for token in tokens]
    _check(tokenizer, tokens, pieces)
    # As they are written, not lowercased, and not hidden when a text is decoded.
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in tokens])
    with reading(str(source)):
        model, info = kind.from_pretrained(
            source,
            trust_remote_code=False,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    report_of(model, info, str(source))
    vocabulary = tokenizer.get_vocab()
    numbers = [vocabulary[token] for token in tokens]
    with quiet():
        # Many checkpoints have more rows than tokens.
        if len(tokenizer) > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        _fill(model, numbers, pieces)
        setattr(model.config, IDS, numbers)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _check(
    tokenizer: PreTrainedTokenizerBase, tokens: Sequence[str], pieces: Sequence[Sequence[int]]
) -> None:
    known = tokenizer.get_vocab()
    kinds = {
        "empty, or blank at an end": [token for token in tokens if not token or token != token.strip()],
        "given twice": [token for token, count in Counter(tokens).items() if count > 1],
        "in the vocabulary already": [token for token in tokens if token in known],
        "nothing that the tokenizer would read until now": [
            token for token, piece in zip(tokens, pieces, strict=True) if token.strip() and not piece
        ],
    }
    problems = [
        Problem(KEY, f"{listing(map(repr, found))}: {what}", "words that are not tokens yet, each once")
        for what, found in kinds.items()
        if found
    ]
    if problems:
        raise BadInput(problems)


def _kind(source: Path) -> Any:
    """The class that the checkpoint was written with, with its head, so that nothing of it is lost."""
    import transformers

    from pipeline.models import pooled_loading

    written = read_config(source)
    if written.get("model_type") == pooled_loading.MODEL_TYPE:
        pooled_loading.code()
    check_known(written, str(source))
    named = loaded_config(source).architectures or []
    names = [named] if isinstance(named, str) else named
    for name in names:
        found = getattr(transformers, name, None)
        if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
            return found
    what = f"the architecture {listing(names) or 'that config.json does not name'} is none of transformers'"
    raise BadInput(Problem(KEY, what, f"[], or another {WHERE}"))


def _fill(model: Any, numbers: Sequence[int], pieces: Sequence[Sequence[int]]) -> None:
    import torch

    with torch.no_grad():
        for embedding in (model.get_input_embeddings(), model.get_output_embeddings()):
            if embedding is None:
                continue
            for rows in (embedding.weight, getattr(embedding, "bias", None)):
                if rows is not None:
                    # Where both are one matrix the second pass writes what is there already.
                    new = torch.stack([rows[list(piece)].mean(0) for piece in pieces])
                    rows[list(numbers)] = new
