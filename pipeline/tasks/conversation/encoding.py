"""Rows with conversations to the features of the task `instruction_tuning`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.errors import BadInput, Problem
from pipeline.tasks.conversation.answer_tokens import NOBODY, Pieces, Tokens, prompt_ids, without_oldest
from pipeline.tasks.conversation.chat_templates import ChatTemplate
from pipeline.tasks.conversation.rows import FORMS, Fault, Message, Row, conversation, form_of
from pipeline.tasks.encoding import longest_input, pad
from pipeline.tasks.language.packing import Block, packed
from pipeline.tasks.token_loss import IGNORED
from pipeline.tasks.writing.generation import prompt_room

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from pipeline.tasks.instruction_tuning import InstructionTuning

T = TypeVar("T")
# The tokens of a conversation, the labels of these, and whether something was cut off.
Learned = tuple[list[int], list[int], bool]


class ConversationEncoding:
    """How a task encodes for one tokenizer. usual: the form of the data that the model was trained on."""

    def __init__(self, task: InstructionTuning, tokenizer: PreTrainedTokenizerBase, usual: str) -> None:
        from pipeline.tasks.instruction_tuning import DEFAULT_LENGTH

        self.task, self.tokenizer, self.usual = task, tokenizer, usual
        self.template, self.pieces = ChatTemplate.of(tokenizer, task.template), Pieces(tokenizer)
        self.limit = longest_input(tokenizer, task.max_length, DEFAULT_LENGTH, pair=False)

    def learned(self, rows: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """``input_ids``, ``labels``, ``length``, ``truncated`` and ``prompt_ids`` (of the last answer)."""
        form, conversations, made = self._made(rows)
        features: dict[str, list[Any]] = {
            "input_ids": [ids for ids, _, _ in made],
            "labels": [labels for _, labels, _ in made],
            "length": [len(ids) for ids, _, _ in made],
            "truncated": [cut for _, _, cut in made],
        }
        room = self._room()
        features["prompt_ids"] = self._for_each(
            conversations,
            form,
            lambda turns: prompt_ids(self.template, self.pieces, turns[:-1], room)[0],
        )
        return features

    def packed(self, rows: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """Blocks: ``input_ids``, ``targets``, ``position_ids``, ``row``, ``length`` and ``truncated``."""
        _, _, made = self._made(rows)
        parts = [
            # Nothing in a conversation predicts its first token, and its last predicts nothing.
            Block(row, ids, [*labels[1:], IGNORED], list(range(len(ids))), cut=cut)
            for row, (ids, labels, cut) in enumerate(made)
        ]
        blocks = packed(parts, self.limit)
        return {
            "input_ids": [block.input_ids for block in blocks],
            "targets": [block.targets for block in blocks],
            "position_ids": [block.positions for block in blocks],
            "row": [block.row for block in blocks],
            "length": [len(block.input_ids) for block in blocks],
            "truncated": [block.cut for block in blocks],
        }

    def _made(self, rows: Mapping[str, list[Any]]) -> tuple[str, list[list[Message]], list[Learned]]:
        """The form of the rows, their conversations, and what is learned of each."""
        form, each = self._rows(rows, answered=True)
        conversations = self._for_each(
            each, form, lambda row: conversation(row, form, self.task.system_prompt)
        )
        if self.task.extract is not None:
            self._for_each(conversations, form, self._check_extract)
        rendered = self._for_each(conversations, form, self.template.render)
        tokens = self.pieces.tokens(rendered)
        made = self._for_each(list(zip(conversations, tokens, strict=True)), form, self._fitted)
        return form, conversations, made

    def asked(self, rows: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """``prompt_ids``, also as ``input_ids``, with ``length`` and ``truncated``."""
        form, each = self._rows(rows, answered=False)
        room = self._room()
        made = self._for_each(
            each,
            form,
            lambda row: prompt_ids(
                self.template,
                self.pieces,
                conversation(row, form, self.task.system_prompt, answered=False),
                room,
            ),
        )
        ids = [found for found, _ in made]
        return {
            "input_ids": ids,
            "prompt_ids": ids,
            "length": [len(found) for found in ids],
            "truncated": [cut for _, cut in made],
        }

    def _check_extract(self, messages: list[Message]) -> None:
        if re.search(str(self.task.extract), messages[-1]["content"]) is None:
            raise Fault("task.extract finds nothing in the right answer", "a pattern that all answers have")

    def _room(self) -> int:
        return min(self.limit, prompt_room(self.tokenizer, self.task.generation))

    def _rows(self, rows: Mapping[str, list[Any]], answered: bool) -> tuple[str, list[Row]]:
        columns = [role for role in self.task.columns if role in rows]
        form = form_of(columns, self.task.form, self.usual, answered=answered)
        count = len(rows[FORMS[form].asked])
        return form, [{name: rows[name][number] for name in columns} for number in range(count)]

    def _for_each(self, parts: Sequence[Any], form: str, make: Callable[[Any], T]) -> list[T]:
        """What ``make`` makes of every row, or of what was made of it before. Raises BadInput with every kind of
        fault that it raises."""
        made: list[T] = []
        asked = FORMS[form].asked
        faults: dict[tuple[str, str], Fault] = {}
        for part in parts:
            try:
                made.append(make(part))
            except Fault as fault:
                faults.setdefault((fault.column, fault.what), fault)
        if faults:
            raise BadInput(
                [
                    Problem(f"data.columns.{fault.column or asked}", what, fault.allowed, fault.nearest)
                    for (_, what), fault in faults.items()
                ]
            )
        return made

    def _fitted(self, part: tuple[list[Message], Tokens]) -> Learned:
        """``input_ids``, ``labels`` and whether something was cut off."""
        turns, tokens = part
        cut = len(tokens.ids) > self.limit
        if cut and self.task.learn_from == "last_answer":
            shorter = without_oldest(turns)
            if shorter is not None:
                rendered = self.template.render(shorter)
                ids, labels, _ = self._fitted((shorter, self.pieces.tokens([rendered])[0]))
                return ids, labels, True
        keep = (tokens.whole(self.limit) or self.limit) if cut else len(tokens.ids)
        ids, labels = tokens.ids[:keep], self._labels(tokens)[:keep]
        # Nothing predicts the first token.
        if all(label == IGNORED for label in labels[1:]):
            what = f"what is asked takes all {self.limit} tokens of max_length, so that no answer is left to learn"
            none = "the model has no token for anything in the answer"
            raise Fault(what if cut else none, "a larger task.max_length, or data without these rows")
        return ids, labels, cut

    def _labels(self, tokens: Tokens) -> list[int]:
        if self.task.learn_from == "all":
            return tokens.ids
        last = max(tokens.answer)
        from_answer = last if self.task.learn_from == "last_answer" else 0
        return [
            token if number != NOBODY and number >= from_answer else IGNORED
            for token, number in zip(tokens.ids, tokens.answer, strict=True)
        ]


def pad_conversations(
    features: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, multiple: int | None
) -> dict[str, Tensor]:
    """``input_ids``, ``attention_mask`` and ``labels``: (conversations, longest), padded on the right."""
    import torch

    side, tokenizer.padding_side = tokenizer.padding_side, "right"
    try:
        batch = pad(features, tokenizer, multiple)
    finally:
        tokenizer.padding_side = side
    labels = torch.full_like(batch["input_ids"], IGNORED)
    for row, feature in enumerate(features):
        labels[row, : feature["length"]] = torch.tensor(feature["labels"])
    return {**batch, "labels": labels}
