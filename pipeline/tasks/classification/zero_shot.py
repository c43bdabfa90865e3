"""Classification by a model that was never trained for it: through what its labels mean.

Either by embeddings, the label whose description is nearest to the text (Yin et al. 2019, arXiv:1909.00161, with
sentence embeddings as in Schopf et al. 2022, arXiv:2211.16285); or by likelihood, the label whose description a
language model finds more likely after the text than without one (Holtzman et al. 2021, arXiv:2104.08315: domain
conditional PMI).

What both need of the labels is computed once, when the model is loaded, and kept in buffers of it that are not saved.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.tasks.embedding.contrastive import similarities
from pipeline.tasks.embedding.pooling import embed, reads_both_ways, usual_pooling
from pipeline.tasks.encoding import encode_texts, longest_input, pad

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport

Way = Literal["embedding", "likelihood"]

# What cosines are divided by to make logits; it changes probabilities, not which label is the most likely.
TEMPERATURE = 0.05
HEADS: dict[Way, tuple[str, ...]] = {
    "embedding": ("backbone", "text_encoding"),
    "likelihood": ("causal_lm",),
}
_EMBEDDINGS, _TOKENS, _PRIOR = "label_embeddings", "label_tokens", "label_prior"
# Buffers hold no ragged rows: shorter labels are filled up with this.
_NOTHING = -1


def learn(
    labels: Sequence[str],
    descriptions: Mapping[str, str],
    way: Way | None,
    prompt: str,
    config: PretrainedConfig,
) -> dict[str, Any]:
    """What is needed to score a model without a head for these labels, as plain JSON.

    descriptions: by label; of the others the label's own words are taken. way: None for what suits the model.
    Raises BadInput for descriptions of labels that there are not, or that are the same, and a way that the model
    cannot go.
    """
    problems = [
        Problem(
            f"task.label_descriptions.{name}",
            "there is no such label",
            listing(labels),
            nearest(name, labels),
        )
        for name in descriptions
        if name not in labels
    ]
    texts = [descriptions.get(label) or words_of(label) for label in labels]
    if twice := sorted({text for text in texts if texts.count(text) > 1}):
        what = f"{listing(twice)} describes several labels"
        problems.append(Problem("task.label_descriptions", what, "a description of its own for each"))
    able = _ways_of(config)
    if way is not None and way not in able:
        what = f"{config.model_type} cannot do {way}"
        problems.append(Problem("task.zero_shot", what, listing(able) or "another model"))
    if not able:
        problems.append(Problem("task.zero_shot", f"{config.model_type} cannot", "another model"))
    if problems:
        raise BadInput(problems)
    # A model that predicts the next token does that better than it makes embeddings.
    chosen = way or ("likelihood" if "likelihood" in able else "embedding")
    return {"way": chosen, "descriptions": texts, "pooling": usual_pooling(config), "prompt": prompt}


def _ways_of(config: PretrainedConfig) -> list[Way]:
    from transformers import AutoModelForCausalLM, AutoModelForTextEncoding

    if config.is_encoder_decoder:
        return ["embedding"] if type(config) in AutoModelForTextEncoding._model_mapping else []
    predicts = type(config) in AutoModelForCausalLM._model_mapping and not reads_both_ways(config)
    return ["embedding", "likelihood"] if predicts else ["embedding"]


def words_of(label: str) -> str:
    """``card_arrival``, ``card-arrival`` and ``cardArrival`` to ``card arrival``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)
    return " ".join(re.split(r"[\s_-]+", spaced)).strip() or label


def load(
    facts: Mapping[str, Any], checkpoint: Checkpoint, folder: str, config: PretrainedConfig, *, meta: bool
) -> tuple[nn.Module, LoadReport]:
    """The model as it was pretrained, with what it makes of the labels in its buffers."""
    import torch

    model, report = checkpoint.build(folder, HEADS[facts["way"]], config, meta=meta)
    if not meta:
        tokenizer = checkpoint.tokenizer(folder)
        with torch.inference_mode(False), torch.no_grad():
            if facts["way"] == "embedding":
                _describe_by_embedding(model.eval(), tokenizer, facts)
            else:
                _describe_by_tokens(model.eval(), tokenizer, facts)
    return model, report


def is_ready(model: nn.Module) -> bool:
    """Whether :func:`load` made the model."""
    return hasattr(model, _EMBEDDINGS) or hasattr(model, _TOKENS)


def logits(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """(texts, labels), float32."""
    if hasattr(model, _EMBEDDINGS):
        texts = embed(model, inputs, model.embedding_pooling)
        return similarities(texts, model.label_embeddings) / TEMPERATURE
    return _likelihoods(model, inputs) - model.label_prior


def encode_prompts(
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    tokenizer: PreTrainedTokenizerBase,
    facts: Mapping[str, Any],
    max_length: int | None,
    default_length: int,
) -> dict[str, list[Any]]:
    """The prompt with each text in it, of which the text is cut where it is too long for the model and a label."""
    both = texts if pairs is None else [f"{text}\n{pair}" for text, pair in zip(texts, pairs, strict=True)]
    limit = longest_input(tokenizer, max_length, default_length, pair=False)
    longest = max(len(ids) for ids in _label_ids(tokenizer, facts["descriptions"]))
    before, _, after = facts["prompt"].partition("{text}")
    around = len(_ids(tokenizer, before + after, special=True))
    room = limit - longest - around - 2  # where the parts meet they may be cut into more tokens
    if room < 1:
        what = f"{limit} tokens leave no room for a text beside the prompt and the longest label"
        raise BadInput(Problem("task.max_length", what, f"at least {longest + around + 3}"))
    features: dict[str, list[Any]] = {"input_ids": [], "length": [], "truncated": []}
    for text in both:
        ids = _ids(tokenizer, text)
        cut = len(ids) > room
        kept = tokenizer.decode(ids[:room], skip_special_tokens=True) if cut else text
        prompt = _ids(tokenizer, before + kept + after, special=True)[: limit - longest]
        features["input_ids"].append(prompt)
        features["length"].append(len(prompt))
        features["truncated"].append(cut)
    return features


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, special: bool = False) -> list[int]:
    return tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]


def _label_ids(tokenizer: PreTrainedTokenizerBase, descriptions: Sequence[str]) -> list[list[int]]:
    return [_ids(tokenizer, f" {text}") for text in descriptions]


def _describe_by_embedding(model: Any, tokenizer: PreTrainedTokenizerBase, facts: Mapping[str, Any]) -> None:
    features = encode_texts(facts["descriptions"], None, tokenizer, None, 512)
    rows = [{name: values[i] for name, values in features.items()} for i in range(len(features["length"]))]
    found = embed(model, pad(rows, tokenizer, None), facts["pooling"])
    model.embedding_pooling = facts["pooling"]
    model.register_buffer(_EMBEDDINGS, found, persistent=False)


def _describe_by_tokens(model: Any, tokenizer: PreTrainedTokenizerBase, facts: Mapping[str, Any]) -> None:
    import torch

    each = _label_ids(tokenizer, facts["descriptions"])
    longest = max(map(len, each))
    padded = torch.tensor([ids + [_NOTHING] * (longest - len(ids)) for ids in each])
    model.register_buffer(_TOKENS, padded, persistent=False)
    # How likely each is after a prompt without a text: some words are, whatever they follow.
    before, _, after = facts["prompt"].partition("{text}")
    ids = torch.tensor([_ids(tokenizer, before.rstrip() + after, special=True)])
    prior = _likelihoods(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    model.register_buffer(_PRIOR, prior[0], persistent=False)


def _likelihoods(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """The logarithm of how likely each label's tokens are after each prompt, summed: (prompts, labels).

    The prompts pass through the model once; each label then goes on from their keys and values.
    """
    import torch

    mask = inputs["attention_mask"]
    # Padding to the front, as in generation, wherever it was.
    order = mask.argsort(dim=1, stable=True)
    ids, mask = inputs["input_ids"].gather(1, order), mask.gather(1, order)
    with torch.no_grad():
        read = model.base_model(
            input_ids=ids[:, :-1],
            attention_mask=mask[:, :-1],
            use_cache=True,
            **_positions(model, mask[:, :-1], 0),
        ).past_key_values
        found = []
        for label in model.label_tokens:
            label = label[label != _NOTHING].expand(len(ids), -1)
            given = torch.cat([ids[:, -1:], label[:, :-1]], 1)
            seen = torch.cat([mask, mask.new_ones(len(ids), label.shape[1] - 1)], 1)
            said = model(
                input_ids=given,
                attention_mask=seen,
                past_key_values=copy.deepcopy(read),  # which the model adds to
                use_cache=True,
                **_positions(model, seen, ids.shape[1] - 1),
            ).logits
            each = said.float().log_softmax(-1).gather(-1, label.unsqueeze(-1)).squeeze(-1)
            found.append(each.sum(-1))
    return torch.stack(found, 1)


def _positions(model: nn.Module, mask: Tensor, start: int) -> dict[str, Tensor]:
    """Positions of the tokens from ``start`` on, counted without padding, for a model that is told them."""
    import inspect

    if "position_ids" not in inspect.signature(model.forward).parameters:
        return {}
    return {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)[:, start:]}
