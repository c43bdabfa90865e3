"""Hidden states of tokens to one vector a text, and the files that say so to sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PretrainedConfig

Pooling = Literal["mean", "cls", "last"]

# What sentence-transformers calls them, in older files each with a key of its own.
_THEIR_NAMES: dict[Pooling, str] = {"mean": "mean", "cls": "cls", "last": "lasttoken"}
_OLD_KEYS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}
_FILE = "1_Pooling/config.json"


def usual_pooling(config: PretrainedConfig) -> Pooling:
    """How a model's texts are pooled where nobody says: as its checkpoint states, else by what it was trained for.

    Tokens of a model that fills masks see the whole text, so their mean stands for it; in a model that predicts
    the next token only the last one has seen all.
    """
    stated = _stated(Path(config._name_or_path or ".") / _FILE)
    return stated or ("mean" if reads_both_ways(config) else "last")


def reads_both_ways(config: PretrainedConfig) -> bool:
    """Whether a token sees those after it too, as far as it shows in what the architecture is trained for."""
    from transformers import AutoModelForMaskedLM, AutoModelForTextEncoding

    if getattr(config, "attn_type", None) == "bi":
        return True
    return any(
        type(config) in auto._model_mapping for auto in (AutoModelForMaskedLM, AutoModelForTextEncoding)
    )


def _stated(file: Path) -> Pooling | None:
    """What a folder of sentence-transformers says, where it is a way that is known here."""
    if not file.is_file():
        return None
    written = json.loads(file.read_text(encoding="utf-8"))
    ours = {theirs: name for name, theirs in _THEIR_NAMES.items()}
    if "pooling_mode" in written:
        return ours.get(written["pooling_mode"])
    chosen = [key for key, value in written.items() if key.startswith("pooling_mode_") and value]
    found: Any = _OLD_KEYS.get(chosen[0]) if len(chosen) == 1 else None
    return found if found in get_args(Pooling) else None


def embed(model: nn.Module, inputs: Mapping[str, Tensor], pooling: Pooling) -> Tensor:
    """Unit vectors in float32: (texts, hidden size)."""
    import torch

    outputs = model(**inputs)
    embeddings = pool(outputs.last_hidden_state, inputs["attention_mask"], pooling)
    unused = outputs.get("pooler_output")
    if torch.is_grad_enabled() and unused is not None:
        # Where several processes train, every weight needs a gradient, and BERT's own pooler is not used here.
        embeddings = embeddings + 0 * unused.float().sum()
    return embeddings


def pool(hidden: Tensor, attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """Unit vectors of hidden states (texts, tokens, hidden size), whichever side is padded."""
    import torch
    from torch.nn import functional

    hidden = hidden.float()
    if pooling == "mean":
        mask = attention_mask.unsqueeze(-1).float()
        # Padding may hold anything, so it is left out rather than multiplied by zero.
        pooled = hidden.masked_fill(mask == 0, 0.0).sum(1) / mask.sum(1).clamp(min=1)
    else:
        places = torch.arange(hidden.shape[1], device=hidden.device).expand(attention_mask.shape)
        if pooling == "cls":
            chosen = places.masked_fill(attention_mask == 0, hidden.shape[1]).argmin(1)
        else:
            chosen = places.masked_fill(attention_mask == 0, -1).argmax(1)
        # Not by numbers of texts, which a traced graph would keep as many as it was traced with.
        pooled = hidden.gather(1, chosen.view(-1, 1, 1).expand(-1, 1, hidden.shape[-1])).squeeze(1)
    return functional.normalize(pooled, dim=-1)


def write_layout(folder: str, *, pooling: Pooling, max_length: int, prompts: Mapping[str, str]) -> None:
    """The files beside a saved model by which ``SentenceTransformer(folder)`` makes the same embeddings."""
    size = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    width = next(size[name] for name in ("hidden_size", "d_model", "n_embd", "dim") if name in size)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    files: dict[str, Any] = {
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
            for i, (path, name) in enumerate(modules)
        ],
        "sentence_bert_config.json": {"max_seq_length": max_length, "do_lower_case": False},
        _FILE: {"word_embedding_dimension": width}
        | {key: name == pooling for key, name in _OLD_KEYS.items()},
        "config_sentence_transformers.json": {"prompts": dict(prompts), "similarity_fn_name": "cosine"},
    }
    for name, content in files.items():
        path = Path(folder) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
