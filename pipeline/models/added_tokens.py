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
    or known already, and for a checkpoint that is no model of transformers.
    """
    what = [_FORMAT, located.fingerprint, list(tokens)]
    key = hashlib.sha256(json.dumps(what).encode()).hexdigest()
    folder = entry("added_tokens", key, lambda folder: _write(Path(located.folder), tokens, folder))
    return Located(str(folder), key, located.commit)


def _write(source: Path, tokens: Sequence[str], folder: Path) -> None:
    from transformers import AddedToken, AutoTokenizer

    from pipeline.models.loading import quiet, reading

    with reading(str(source)):
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=True)
        _check(tokenizer, tokens)
        pieces = [tokenizer(token, add_special_tokens=False).input_ids for token in tokens]
        # As they are written, not lowercased, and not hidden when a text is decoded.
        tokenizer.add_tokens([AddedToken(token, normalized=False) for token in tokens])
        model = _model(source)
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


def _check(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[str]) -> None:
    known = tokenizer.get_vocab()
    kinds = {
        "empty, or blank at an end": [token for token in tokens if not token or token != token.strip()],
        "given twice": [token for token, count in Counter(tokens).items() if count > 1],
        "in the vocabulary already": [token for token in tokens if token in known],
    }
    problems = [
        Problem(KEY, f"{listing(map(repr, found))}: {what}", "words that are not tokens yet, each once")
        for what, found in kinds.items()
        if found
    ]
    if problems:
        raise BadInput(problems)


def _model(source: Path) -> Any:
    """With the head that the checkpoint was written with, so that nothing of it is lost."""
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=True)
    names = config.architectures or []
    kind: Any = next((found for name in names if (found := getattr(transformers, name, None))), None)
    if kind is None:
        what = (
            f"the architecture {listing(names) or 'that config.json does not name'} is none of transformers'"
        )
        raise BadInput(Problem(KEY, what, f"[], or another {WHERE}"))
    return kind.from_pretrained(source, trust_remote_code=False, local_files_only=True, dtype=torch.float32)


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
