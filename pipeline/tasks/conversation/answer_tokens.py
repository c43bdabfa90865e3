"""Which tokens of a conversation are the assistant's, and how a long conversation is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.tasks.conversation.chat_templates import ChatTemplate, Rendered
from pipeline.tasks.conversation.rows import ASSISTANT, SYSTEM, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Of no answer.
NOBODY = -1


@dataclass(frozen=True)
class Tokens:
    """ids: token numbers. answer: of each token the number of the answer that it is in, or NOBODY."""

    ids: list[int]
    answer: list[int]

    def whole(self, limit: int) -> int:
        """How many tokens to keep so that the last answer kept is whole: at most ``limit``, 0 where none fits."""
        ends = [
            place
            for place, (one, next_one) in enumerate(pairwise([*self.answer, NOBODY]), start=1)
            if one != NOBODY and next_one != one
        ]
        return max((end for end in ends if end <= limit), default=0)


class Pieces:
    """A tokenizer for text that is cut before and behind each answer.

    When a model is asked, what is asked ends where the answer begins. So it must in training: in a whole text a
    tokenizer might join the two, or see the last line end differently when a word follows it.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        # Some put a space before every text. Not before what goes on behind a special token, which is put in front
        # and taken off again; or, where they put one there too, not behind another character.
        anchor = tokenizer.eos_token or ""
        alone, word, line, both = self._encode([anchor, f"{anchor}x", f"{anchor}\n", f"{anchor}\nx"])
        spaced = both != line + word[len(alone) :]
        self.lead, self.lead_ids = (f"{anchor}\n", line) if spaced else (anchor, alone)

    def _encode(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"] if texts else []

    def tokens(self, rendered: Sequence[Rendered]) -> list[Tokens]:
        """The tokens of each conversation; no token is in part an answer and in part not."""
        cut = [_pieces(one) for one in rendered]
        encoded = iter(
            self._encode(
                [self.lead * (place > 0) + text for one in cut for place, (text, _) in enumerate(one)]
            )
        )
        made = []
        for one in cut:
            ids: list[int] = []
            answer: list[int] = []
            for place, (text, number) in enumerate(one):
                found = next(encoded)
                if place:
                    after = found[: len(self.lead_ids)] == self.lead_ids
                    found = found[len(self.lead_ids) :] if after else self._encode([text])[0]
                ids += found
                answer += [number] * len(found)
            made.append(Tokens(ids, answer))
        return made


def _pieces(rendered: Rendered) -> list[tuple[str, int]]:
    """A conversation's text in pieces, each with the number of the answer that it is."""
    pieces, place = [], 0
    for number, (start, end) in enumerate(rendered.answers):
        pieces += [(rendered.text[place:start], NOBODY), (rendered.text[start:end], number)]
        place = end
    return [*pieces, (rendered.text[place:], NOBODY)]


def without_oldest(messages: Sequence[Message]) -> list[Message] | None:
    """The messages without their first exchange; the system text stays. None where only one exchange is left."""
    first = 1 if messages[0]["role"] == SYSTEM else 0
    rest = messages[first + 2 :]
    answered = messages[-1]["role"] == ASSISTANT
    return [*messages[:first], *rest] if len(rest) >= (2 if answered else 1) else None


def prompt_ids(
    template: ChatTemplate, pieces: Pieces, messages: Sequence[Message], room: int
) -> tuple[list[int], bool]:
    """What a model is asked with, and whether it had to be cut to ``room`` tokens.

    The oldest exchanges go first; of a single one that is too long the end stays. Raises Fault.
    """
    left = list(messages)
    while True:
        (tokens,) = pieces.tokens([template.render(left, ask=True)])
        shorter = without_oldest(left) if len(tokens.ids) > room else None
        if shorter is None:
            return tokens.ids[-room:], len(tokens.ids) > room or len(left) < len(messages)
        left = shorter
