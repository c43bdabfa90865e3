"""Text written by a model: how it is asked for, batches of prompts, and what came back as text."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.tasks.read_tokens import plain_model

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

# What a checkpoint knows of its tokens: without it a model writes nonsense, so it is kept. How it searches
# (beams, penalties, least lengths, …) is the run's to say.
KEPT = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "suppress_tokens",
    "begin_suppress_tokens",
    "bad_words_ids",
)
WHERE = "task.generation.max_new_tokens"


@component
class Generation:
    """How a model writes. A checkpoint's own settings are not read, but for the numbers of its special tokens."""

    # Longest text that is written, in tokens. An encoder-decoder writes no more than it has positions for.
    max_new_tokens: Annotated[int, Field(ge=1)] = 128
    # No end before so many tokens.
    min_new_tokens: Annotated[int, Field(ge=0)] = 0
    # Texts that are kept under way; 1: always the likeliest token (or a drawn one, with do_sample).
    num_beams: Annotated[int, Field(ge=1)] = 1
    # With beams: above 0 prefers longer texts, below 0 shorter ones.
    length_penalty: float = 1.0
    # With beams: end as soon as num_beams texts are finished, though others might become likelier.
    early_stopping: bool = False
    # Draw tokens by their probability instead of taking the likeliest.
    do_sample: bool = False
    # Below 1 draws likely tokens more often than they should be.
    temperature: Annotated[float, Field(gt=0)] = 1.0
    # Draw among so many likeliest tokens. null: all.
    top_k: Annotated[int, Field(ge=1)] | None = None
    # Draw among the likeliest tokens that together have this probability (Holtzman et al. 2020).
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    # What was drawn is drawn again with the same seed, prompts and batch.
    seed: Annotated[int, Field(ge=0)] = 0
    # Above 1 makes tokens that are there already (in the prompt too) less likely (Keskar et al. 2019).
    repetition_penalty: Annotated[float, Field(gt=0)] = 1.0
    # No sequence of so many tokens twice. 0: allowed.
    no_repeat_ngram_size: Annotated[int, Field(ge=0)] = 0
    # Texts for each prompt, the likeliest first where there are beams.
    num_return_sequences: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _fits_together(self) -> Generation:
        problems = []
        drawn = [
            n for n, off in (("temperature", 1.0), ("top_k", None), ("top_p", 1.0)) if getattr(self, n) != off
        ]
        if drawn and not self.do_sample:
            problems.append(f"{' and '.join(drawn)}: only counts with do_sample: true")
        beams = [
            n for n, off in (("length_penalty", 1.0), ("early_stopping", False)) if getattr(self, n) != off
        ]
        if beams and self.num_beams == 1:
            problems.append(f"{' and '.join(beams)}: only counts with num_beams above 1")
        if self.min_new_tokens > self.max_new_tokens:
            problems.append(
                f"min_new_tokens {self.min_new_tokens} is above max_new_tokens {self.max_new_tokens}"
            )
        if not self.do_sample and self.num_return_sequences > self.num_beams:
            problems.append(
                f"num_return_sequences {self.num_return_sequences} needs do_sample: true, or as many num_beams"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def for_model(
        self, model: PreTrainedModel, end_ids: Sequence[int] = (), forced_bos: int | None = None
    ) -> GenerationConfig:
        """These settings, and what ``model`` knows of its special tokens.

        end_ids: tokens that end a text besides the model's own. forced_bos: the first token of every text.
        """
        from transformers import GenerationConfig

        own = model.generation_config
        kept = {name: _known(own, model.config, name) for name in KEPT}
        ends = list(dict.fromkeys([*_ids(kept["eos_token_id"]), *end_ids]))
        kept |= {"eos_token_id": ends or None}
        if kept["pad_token_id"] in (None, -1):
            kept["pad_token_id"] = ends[0] if ends else 0
        if forced_bos is not None:
            kept["forced_bos_token_id"] = forced_bos
        drawing = {"temperature": self.temperature, "top_k": self.top_k or 0, "top_p": self.top_p}
        searching = {"length_penalty": self.length_penalty, "early_stopping": self.early_stopping}
        return GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            min_new_tokens=self.min_new_tokens or None,
            num_beams=self.num_beams,
            do_sample=self.do_sample,
            repetition_penalty=self.repetition_penalty,
            no_repeat_ngram_size=self.no_repeat_ngram_size,
            num_return_sequences=self.num_return_sequences,
            use_cache=True,
            **(drawing if self.do_sample else {}),
            **(searching if self.num_beams > 1 else {}),
            **kept,
        )


def prompt_room(tokenizer: PreTrainedTokenizerBase, settings: Generation, least: int = 1) -> int:
    """Tokens that a decoder-only model can take as a prompt, if it is to write ``max_new_tokens`` after it.

    Cut prompts to this when they are encoded. Raises BadInput where fewer than ``least`` are left.
    """
    room = tokenizer.model_max_length - settings.max_new_tokens
    if room < least:
        raise _too_long(settings, tokenizer.model_max_length, least)
    return room


def prompt_batch(
    features: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase
) -> dict[str, Tensor]:
    """The features' ``prompt_ids`` padded on the left, and ``prompt_mask``: (features, longest prompt) each.

    On the left, because what is written follows the last token of every row. An empty prompt becomes the token
    that begins (or else ends) a text.
    """
    import torch

    begin = next(
        (
            n
            for n in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
            if n is not None
        ),
        0,
    )
    rows = [list(feature["prompt_ids"]) or [begin] for feature in features]
    width = max(map(len, rows))
    pad = tokenizer.pad_token_id or 0
    return {
        "prompt_ids": torch.tensor([[pad] * (width - len(row)) + row for row in rows]),
        "prompt_mask": torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows]),
    }


def generate(
    model: nn.Module,
    batch: Mapping[str, Tensor],
    settings: Generation,
    *,
    encoder_decoder: bool,
    end_ids: Sequence[int] = (),
    forced_bos: int | None = None,
) -> list[list[int]]:
    """The new tokens for every row of ``batch``, up to and with the token that ends the text.

    An encoder-decoder reads ``input_ids`` and ``attention_mask``; a decoder goes on from ``prompt_ids`` with
    ``prompt_mask``, padded on the left. ``num_return_sequences`` lists for each row, which follow each other.
    The model is left as it was: its mode, its own generation settings, and torch's random numbers.
    end_ids, forced_bos: as in :meth:`Generation.for_model`. Raises BadInput where a decoder's prompts and what may
    follow are more than it has positions for (see :func:`prompt_room`).
    """
    import torch

    names = ("input_ids", "attention_mask") if encoder_decoder else ("prompt_ids", "prompt_mask")
    ids, mask = (batch[name] for name in names)
    plain = plain_model(model)
    config = settings.for_model(plain, end_ids, forced_bos)
    limit = getattr(plain.config.get_text_config(decoder=True), "max_position_embeddings", None)
    before = 0 if encoder_decoder else ids.shape[1]
    taken = before + (0 if encoder_decoder else getattr(_adapter(model), "num_virtual_tokens", 0))
    if isinstance(limit, int) and 0 < limit < taken + settings.max_new_tokens:
        if not encoder_decoder:
            raise _too_long(settings, limit, taken)
        config.max_new_tokens = limit
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(_evaluating(model))
        stack.enter_context(_settings_of(plain, config))
        if settings.do_sample:
            stack.enter_context(_drawing(ids, settings.seed))
        made: Any = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)  # type: ignore[operator]
    ends = set(_ids(config.eos_token_id))
    # A decoder's output begins with its prompt, an encoder-decoder's with the token that starts every text.
    return [up_to_end(row, ends) for row in made[:, before or 1 :].tolist()]


def up_to_end(ids: Sequence[int], ends: set[int]) -> list[int]:
    """``ids`` up to and with the first of ``ends``; what follows it is padding."""
    cut = next((place for place, token in enumerate(ids, start=1) if token in ends), len(ids))
    return list(ids[:cut])


def texts_of(tokenizer: PreTrainedTokenizerBase, sequences: Sequence[Sequence[int]]) -> list[str]:
    """Token numbers to text without special tokens; spaces and line ends stay as the model wrote them."""
    return [
        str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))
        for ids in sequences
    ]


def _too_long(settings: Generation, limit: int, before: int) -> BadInput:
    after = f" after a prompt of {before}" if before else ""
    what = f"{settings.max_new_tokens} tokens{after} are more than the {limit} that the model can take"
    return BadInput(
        Problem(WHERE, what, f"at most {limit - before}" if limit > before else "shorter prompts")
    )


def _adapter(model: Any) -> Any:
    """What PEFT knows of the adapter in use; None without one."""
    return model.active_peft_config if hasattr(model, "get_base_model") else None


def _known(own: Any, config: Any, name: str) -> Any:
    value = getattr(own, name, None)
    return getattr(config, name, None) if value is None and name.endswith("token_id") else value


def _ids(value: int | Sequence[int] | None) -> list[int]:
    if value is None:
        return []
    return [value] if isinstance(value, int) else list(value)


@contextmanager
def _settings_of(plain: Any, config: GenerationConfig) -> Iterator[None]:
    """transformers takes what ``config`` leaves open from the model's own settings, which here must not count."""
    own = plain.generation_config
    plain.generation_config = config
    try:
        yield
    finally:
        plain.generation_config = own


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode; afterwards every module is in the mode it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _drawing(ids: Tensor, seed: int) -> Iterator[None]:
    """Random numbers that depend on the prompts and the seed alone; torch's own go on as if none was drawn."""
    import torch

    content = zlib.crc32(ids.cpu().numpy().tobytes())
    strict, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    with torch.random.fork_rng([ids.device] if ids.is_cuda else []), warnings.catch_warnings():
        torch.manual_seed(seed * 2**32 + content)
        # top_p adds up probabilities, of which CUDA's kernel may differ in the last bits and is refused otherwise.
        warnings.simplefilter("ignore")
        torch.use_deterministic_algorithms(strict, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict, warn_only=warns)
