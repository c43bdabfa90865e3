"""Short dialogues in 28 languages, about anything: greetings, jokes, science, computers.

{"prompt": "What is AI?", "response": "Artificial Intelligence is the branch of engineering and science devoted to …"}

The corpus on which ChatterBot (github.com/gunthercox/chatterbot-corpus) trains its bots.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pipeline.component import component
from pipeline.sources.packaged import Packaged, Row

if TYPE_CHECKING:
    from datasets import DatasetDict

Language = Literal[
    "bengali",
    "chinese",
    "dutch",
    "english",
    "french",
    "german",
    "hebrew",
    "hindi",
    "hinglish",
    "indonesian",
    "italian",
    "japanese",
    "korean",
    "marathi",
    "oriya",
    "persian",
    "portuguese",
    "russian",
    "spanish",
    "swedish",
    "tamil",
    "telugu",
    "thai",
    "traditionalchinese",
    "turkish",
    "ukrainian",
    "urdu",
    "yoruba",
]
# The files whose longer entries are talks of two; elsewhere they are a question and several answers to it.
_TALKS = "conversations"
_SPEAKERS = ("user", "assistant")


@component
class Dialogues(Packaged):
    """748 English dialogues, 5 to 754 of the other languages.

    Of entries that begin with the same words (2,026 in English) the first is kept. Left out are those that are no
    list of at least two texts (1 in English, 9 in Ukrainian).
    """

    # The folder of the corpus.
    language: Language = "english"
    # false: the first two lines of each dialogue (prompt and response). true: all of it, as `messages`; 13 of the
    # English ones are longer.
    multi_turn: bool = False

    address: ClassVar[str] = "pypi:chatterbot-corpus@1.3.3/chatterbot_corpus/data"
    sha256: ClassVar[str] = "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154"
    licence: ClassVar[str] = "BSD-3-Clause"
    same: ClassVar[tuple[str, ...]] = ("prompt",)

    def rows(self, path: Path) -> list[Row]:
        import yaml

        rows: list[Row] = []
        # Talks first: of those that begin alike the first is kept.
        files = sorted(
            (path / self.language).glob("*.yml"), key=lambda file: (file.stem != _TALKS, file.name)
        )
        for file in files:
            for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["conversations"]:
                lines = entry if isinstance(entry, list) else []
                if len(lines) >= 2 and all(isinstance(line, str) and line.strip() for line in lines):
                    talk = lines[: len(lines) // 2 * 2] if file.stem == _TALKS else lines[:2]
                    rows.append(
                        {"prompt": lines[0].strip(), "response": lines[1].strip(), "messages": _turns(talk)}
                    )
        return rows

    def load(self) -> "DatasetDict":
        data = super().load()
        return data.remove_columns(["prompt", "response"] if self.multi_turn else ["messages"])

    def fingerprint(self) -> str:
        options = f"{super().fingerprint()}/{self.language}/{self.multi_turn}"
        return hashlib.sha256(options.encode()).hexdigest()


def _turns(lines: list[str]) -> list[dict[str, str]]:
    return [{"role": _SPEAKERS[number % 2], "content": line.strip()} for number, line in enumerate(lines)]
