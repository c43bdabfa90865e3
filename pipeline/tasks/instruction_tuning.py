"""Following instructions: conversations of a user and an assistant, of which the assistant's words are learned.

    a row of data   {"prompt": "What is 2 + 2?", "response": "4"}
    a prediction    {"response": "4"}

Or a conversation of several turns, as OpenAI writes them, ShareGPT does or Alpaca (see `conversations.py`):

    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2 + 2?"},
                  {"role": "assistant", "content": "4"}]}
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from pipeline.component import component
from pipeline.tasks.base import Column, Head, Output, Scores, Task
from pipeline.tasks.writing.generation import Generation

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch import Tensor, nn
    from torchmetrics import MetricCollection
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.models.checkpoint import Checkpoint
    from pipeline.models.loading import LoadReport
    from pipeline.training.answers import Answer

DEFAULT_LENGTH = 1_024


def _is_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return value


@component
class InstructionTuning(Task):
    """Causal language modelling of answers.

    Head facts: ``form`` of the training data (see `conversations.py`), its number of ``conversations``, the ``fewest``
    and ``most`` answers in one, ``latin`` (whether most letters of the answers are a to z), and whether those that are
    learned are ``packed``.
    """

    # How the columns hold conversations. null: as their names say.
    form: Literal["prompt_response", "alpaca", "sharegpt", "messages"] | None = None
    # The chat template, a file of ``templates/``. null: the model's own.
    template: str | None = None
    # What stands first in conversations without a system text.
    system_prompt: Annotated[str, Field(min_length=1)] | None = None
    # Which tokens are learned: of every answer, of the last one, or all.
    learn_from: Literal["answers", "last_answer", "all"] = "answers"
    # Whether short conversations that are learned share a block of max_length tokens, none of them seeing another.
    packing: bool = False
    # Share of the target that is spread over all tokens (Szegedy et al. 2016, arXiv:1512.00567, section 7).
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # false: validation while training is by the loss alone, which takes a fraction of the time.
    generate_in_validation: bool = True
    # What of an answer is compared as ``answer_match``: the group of a regular expression, or the whole of it.
    extract: Annotated[str, AfterValidator(_is_pattern)] | None = None
    generation: Generation = Field(default_factory=Generation)
    # Pad batches to a multiple of this many tokens; 8 suits tensor cores.
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None

    columns: ClassVar[dict[str, Column]] = {
        "prompt": Column("what the user says", required=False),
        "response": Column("what the assistant answers", required=False),
        "instruction": Column("Alpaca: what is to be done", required=False),
        "input": Column("Alpaca: with what", required=False, may_be_empty=True),
        "output": Column("Alpaca: the answer", required=False),
        "conversations": Column("ShareGPT: a list of turns, each with 'from' and 'value'", required=False),
        "messages": Column("a list of turns, each with 'role' and 'content'", required=False),
        "system": Column(
            "beside prompt or instruction: what the assistant is told first",
            required=False,
            may_be_empty=True,
        ),
    }
    targets: ClassVar[tuple[str, ...]] = ("response", "output")
    alternatives: ClassVar[tuple[str, ...]] = ("prompt", "instruction", "conversations", "messages")
    heads: ClassVar[tuple[str, ...]] = ("causal_lm",)
    scored_by_row: ClassVar[bool] = True
    writes_when_scored: ClassVar[bool] = True
    prediction_chunk: ClassVar[int] = 64

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        """Raises BadInput for rows that hold no conversation, and for a model that would read packed ones as one."""
        from pipeline.tasks.conversation.rows import check_all, form_of
        from pipeline.tasks.language.packed_attention import check_apart

        common = set.intersection(*(set(rows.column_names) for rows in data.values()))
        form = form_of([role for role in self.columns if role in common], self.form)
        if self.packing:
            check_apart(config)
        return {"form": form, **check_all(data, form, self.system_prompt), "packed": self.packing}

    def describe(self, head: Head) -> dict[str, str]:
        turns = str(head["most"]) if head["fewest"] == head["most"] else f"{head['fewest']} to {head['most']}"
        answers = f"{turns} answer{'' if turns == '1' else 's'} each"
        packed = "; packed to learn, none sees another" if head.get("packed") else ""
        return {"conversations": f"{head['conversations']:,} in the form {head['form']}, {answers}{packed}"}

    def load(
        self, checkpoint: "Checkpoint", folder: str, head: Head, *, meta: bool = False
    ) -> "tuple[nn.Module, LoadReport]":
        from pipeline.tasks.conversation.chat_templates import ChatTemplate
        from pipeline.tasks.language.packed_attention import check_kernel

        model, report = checkpoint.build(folder, self.heads, checkpoint.config(folder), meta=meta)
        if head.get("packed"):
            check_kernel(model)
        tokenizer = checkpoint.tokenizer(folder)
        own = model.generation_config.eos_token_id
        ends = [*([own] if isinstance(own, int) else own or []), tokenizer.eos_token_id]
        ends += ChatTemplate.of(tokenizer, self.template).end_ids
        # Saved with the model, so that it stops where its turn ends wherever it is used.
        known = list(dict.fromkeys(end for end in ends if end is not None))
        model.generation_config.eos_token_id = known or None
        return model, report

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """``input_ids``, ``labels`` (IGNORED where nothing is learned), ``prompt_ids`` that ask for the last answer.

        Raises BadInput for rows that hold no conversation, or of which nothing to learn fits in ``max_length``.
        """
        from pipeline.tasks.conversation.encoding import ConversationEncoding

        return ConversationEncoding(self, tokenizer, head["form"]).learned(rows)

    def encode_training(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """With ``packing``, blocks of conversations: ``input_ids``, ``targets`` (the token after each, or IGNORED),
        ``position_ids`` and the first one's ``row``; nothing is asked in them."""
        from pipeline.tasks.conversation.encoding import ConversationEncoding

        if not head.get("packed"):
            return self.encode(rows, tokenizer, head)
        return ConversationEncoding(self, tokenizer, head["form"]).packed(rows)

    def encode_inputs(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        """``prompt_ids`` (also as ``input_ids``). A last answer that is there is left out."""
        from pipeline.tasks.conversation.encoding import ConversationEncoding

        asked = {name: values for name, values in rows.items() if name not in self.targets}
        return ConversationEncoding(self, tokenizer, head["form"]).asked(asked)

    def collate(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> "dict[str, Tensor]":
        """Inputs and ``labels`` padded on the right where there are labels, and the prompts padded on the left; or
        packed blocks (see `language/batch.py`)."""
        from pipeline.tasks.conversation.encoding import pad_conversations
        from pipeline.tasks.language.batch import block_batch
        from pipeline.tasks.writing.generation import prompt_batch

        if "position_ids" in features[0]:
            return block_batch(features, tokenizer.pad_token_id or 0, self.pad_to_multiple_of)
        learned = "labels" in features[0]
        batch = pad_conversations(features, tokenizer, self.pad_to_multiple_of) if learned else {}
        prompts = prompt_batch(features, tokenizer) if features[0].get("prompt_ids") else {}
        return {**batch, **prompts}

    def forward_inputs(self, batch: Mapping[str, "Tensor"]) -> "dict[str, Tensor]":
        return {
            name: batch[name] for name in ("input_ids", "position_ids", "attention_mask") if name in batch
        }

    def loss(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """Cross-entropy in nats, summed over the tokens that are learned; the weight is their number."""
        return self._loss(model, batch, self.label_smoothing)

    def _loss(self, model: "nn.Module", batch: Mapping[str, "Tensor"], smoothing: float) -> Output:
        from torch.nn.functional import pad

        from pipeline.tasks.chosen_logits import outputs_at
        from pipeline.tasks.token_loss import IGNORED, chosen_loss

        # A token is predicted from those before it.
        targets = (
            batch["targets"] if "targets" in batch else pad(batch["labels"][:, 1:], (0, 1), value=IGNORED)
        )
        wanted = targets != IGNORED
        _, logits = outputs_at(model, self.forward_inputs(batch), wanted)
        return Output(*chosen_loss(logits, targets[wanted], smoothing))

    def score(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        """The loss, without smoothing, and the last answer as the model writes it."""
        return dataclasses.replace(self._loss(model, batch, 0.0), predictions=self.predict(model, batch))

    def score_validation(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> Output:
        return self.score(model, batch) if self.generate_in_validation else self._loss(model, batch, 0.0)

    def predict(self, model: "nn.Module", batch: Mapping[str, "Tensor"]) -> list[list[int]]:
        """The tokens of the next answer, for each row."""
        from pipeline.tasks.writing.generation import generate

        written = generate(model, batch, self.generation, encoder_decoder=False)
        return written[:: self.generation.num_return_sequences]

    def metrics(self, head: Head) -> "MetricCollection":
        from pipeline.tasks.conversation.metrics import LastAnswer, answer_metrics

        return answer_metrics(LastAnswer(self.form, head["form"]), self.extract, unicode=not head["latin"])

    def scores(self, computed: Mapping[str, Any], head: Head) -> Scores:
        from pipeline.tasks.conversation.metrics import perplexity

        values = {name: float(value) for name, value in computed.items()}
        return Scores({"perplexity": perplexity(values["loss"]), **values})

    def directions(self, head: Head) -> dict[str, bool]:
        from pipeline.tasks.conversation.metrics import score_names

        return {"loss": False, "perplexity": False, **dict.fromkeys(score_names(self.extract), True)}

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``response``: the answer without the tokens that end it."""
        from pipeline.tasks.writing.generation import texts_of

        texts = texts_of(tokenizer, [answer.predictions[0] for answer in answers])
        return [{"response": text.strip()} for text in texts]

    def save(self, folder: str, head: Head, tokenizer: "PreTrainedTokenizerBase") -> None:
        """The tokenizer again, with the template: whoever uses the model must ask as it was trained."""
        from pipeline.tasks.conversation.chat_templates import ChatTemplate

        tokenizer.chat_template = ChatTemplate.of(tokenizer, self.template).text
        tokenizer.save_pretrained(folder)
