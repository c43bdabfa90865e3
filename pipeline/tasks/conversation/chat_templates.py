"""Conversations as the text that a model reads, by its own chat template or by one of ``templates/``.

What the assistant says is found in that text by rendering the conversation as far as each answer, so that it works
with every template; marks that a template may have for it ({% generation %}) are not needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.tasks.conversation.rows import ASSISTANT, USER, Fault, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FOLDER = Path(__file__).with_name("templates")
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.jinja")))
WHERE, ANOTHER = "task.template", "another template: task.template=NAME"
# A word that no template has, to see what it writes around an answer.
PROBE = "xylophone"


@dataclass(frozen=True)
class Rendered:
    """A conversation as text, and where in it each answer stands: [start, end) in characters.

    An answer begins where the model is asked to go on, and ends behind what ends its turn.
    """

    text: str
    answers: list[tuple[int, int]]


class ChatTemplate:
    """A template at work with the special tokens of a tokenizer.

    text: the template in Jinja, as transformers' tokenizers have it.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, text: str) -> None:
        self.tokenizer, self.text = tokenizer, text

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, name: str | None) -> ChatTemplate:
        """The shipped template of this name; None: the model's own.

        Raises BadInput where the model has none and none is named, the name is unknown, or the template is made
        of tokens that the model does not have.
        """
        if name is None:
            own = tokenizer.chat_template
            own = own.get("default") if isinstance(own, dict) else own
            if own is None:
                what = "the model has no chat template of its own, and none is named"
                raise BadInput(Problem(WHERE, what, f"one of: {listing(usable(tokenizer))}"))
            return cls(tokenizer, own)
        if name not in NAMES:
            what = f"there is no template {name!r}"
            raise BadInput(Problem(WHERE, what, listing(NAMES), nearest(name, NAMES)))
        if lacks := _lacks(tokenizer, name):
            what = f"{name} is made of tokens that the model does not have: {listing(lacks)}"
            raise BadInput(Problem(WHERE, what, f"one of: {listing(usable(tokenizer))}"))
        text = _shipped(name)
        # A model whose tokenizer puts a token before every text has never seen a text without it.
        begins = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
        return cls(tokenizer, "{{- bos_token -}}\n" + text if begins and "bos_token" not in text else text)

    def ask(self, messages: Sequence[Message]) -> str:
        """Messages that end with the user's, and what asks the model for the next turn. Raises Fault."""
        return self._apply(messages, ask=True)

    def render(self, messages: Sequence[Message], *, ask: bool = False) -> Rendered:
        """A conversation that ends with an answer; or with ``ask`` one that asks for the next.

        Raises Fault where the template refuses it, or changes what the assistant says.
        """
        text = self._apply(messages, ask=ask)
        answers: list[tuple[int, int]] = []
        place = 0  # behind the last turn that was found
        for number, message in enumerate(messages):
            said = message["content"].strip()
            if message["role"] != ASSISTANT:
                # A template may move or change these; only where an answer can begin at the earliest matters.
                place = max(place, text.find(said, place) + len(said)) if said in text[place:] else place
                continue
            # Some templates ask for thoughts that they leave out of a finished conversation.
            start = _common_start(self.ask(messages[:number]), text)
            end = self._end_of(said, text, start, last=number == len(messages) - 1)
            if start < place or end is None:
                raise Fault(f"the chat template does not show turn {number + 1} as it is", ANOTHER)
            place = end
            answers.append((start, place))
        return Rendered(text, answers)

    def _end_of(self, said: str, text: str, start: int, last: bool) -> int | None:
        """Where the turn ends that begins at ``start`` and says ``said``; None where it does not say that."""
        behind = r"\s*" + re.escape(self.end) if last or self._ends_every_turn else ""
        found = re.compile(re.escape(said) + behind).search(text, start)
        return found.end() if found else None

    @cached_property
    def end(self) -> str:
        """What is written behind an answer, without white space around it: what the model is to stop at."""
        after = self._after_answers(1)[-1]
        return after.strip() or after

    @cached_property
    def _ends_every_turn(self) -> bool:
        return self._after_answers(2)[1].lstrip().startswith(self.end)

    def _after_answers(self, answers: int) -> list[str]:
        """A conversation of so many exchanges, cut at its answers: what precedes the first, follows it, …"""
        turns = [{"role": USER, "content": "a"}, {"role": ASSISTANT, "content": PROBE}] * answers
        parts = self._apply(turns).split(PROBE)
        if len(parts) != answers + 1:
            raise BadInput(Problem(WHERE, "the template leaves out what the assistant says", ANOTHER))
        return parts

    @cached_property
    def end_ids(self) -> list[int]:
        """The token that ends an answer, where it is one by itself; else the model's own end of text must do."""
        ids = self.tokenizer(self.end, add_special_tokens=False)["input_ids"]
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}
        return ids[:1] if ids and ids[0] in special else []

    def _apply(self, messages: Sequence[Message], *, ask: bool = False) -> str:
        from jinja2 import TemplateError

        try:
            return str(
                self.tokenizer.apply_chat_template(
                    list(messages), chat_template=self.text, tokenize=False, add_generation_prompt=ask
                )
            )
        except TemplateError as error:
            raise Fault(f"the chat template refuses it: {error}", ANOTHER) from error


def usable(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The shipped templates whose special tokens the tokenizer has."""
    return [name for name in NAMES if not _lacks(tokenizer, name)]


@lru_cache
def _shipped(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")


def _lacks(tokenizer: PreTrainedTokenizerBase, name: str) -> list[str]:
    needs = re.search(r"needs: (.*?) -#}", _shipped(name))
    names = needs.group(1).split() if needs else []
    return [need for need in names if not _has(tokenizer, need)]


def _has(tokenizer: PreTrainedTokenizerBase, need: str) -> bool:
    if need.endswith("_token"):
        return getattr(tokenizer, need) is not None
    return tokenizer.convert_tokens_to_ids(need) not in (None, tokenizer.unk_token_id)


def _common_start(one: str, other: str) -> int:
    """Characters up to the first that differs."""
    if other.startswith(one):
        return len(one)
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
