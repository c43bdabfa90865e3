"""Messages and their translations in gettext's .po files.

https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html. A parser of our own, because all that is read
of the format is seven kinds of line, and a library for it would be one more package to install; it is strict, so that
nothing that it does not know is passed over.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.errors import BadInput, Problem

_LINE = re.compile(r'(msgctxt|msgid|msgid_plural|msgstr|msgstr\[\d+\])?\s*(".*")')


@dataclass
class Message:
    """An entry of a file: `texts` by keyword, and whether a person has yet to look at the translation."""

    line: int
    fuzzy: bool = False
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def left_out(self) -> str:
        """Why it gives no pair of texts: fuzzy, plural, untranslated; empty where it gives one."""
        if self.fuzzy:
            return "fuzzy"
        if "msgid_plural" in self.texts:
            return "plural"
        return "" if self.texts["msgstr"].strip() else "untranslated"


def read_messages(content: str, name: str) -> list[Message]:
    """The messages of a file but its header and what is commented out. Raises BadInput, with the line, for others."""
    found = [message for message in _entries(content, name) if message.texts.get("msgid") != ""]
    for message in found:
        if not {"msgid", "msgstr"} <= message.texts.keys() and "msgid_plural" not in message.texts:
            raise BadInput(Problem(f"{name}:{message.line}", "is no whole message", "msgid and msgstr"))
    return found


def _entries(content: str, name: str) -> Iterator[Message]:
    message, keyword, fuzzy = None, "", False
    for number, line in enumerate(content.lstrip("\ufeff").splitlines(), 1):
        line = line.strip()
        if line.startswith("#") or not line:
            if message is not None:
                yield message
                message, fuzzy = None, False
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
            continue
        match = _LINE.fullmatch(line)
        if match is None or not (match[1] or message):
            raise BadInput(
                Problem(f"{name}:{number}", f"{line[:50]!r} is no line of a .po file", "keyword, text")
            )
        keyword = match[1] or keyword
        if match[1] in ("msgctxt", "msgid") and message is not None and "msgid" in message.texts:
            yield message
            message, fuzzy = None, False
        message = message or Message(number, fuzzy)
        message.texts[keyword] = message.texts.get(keyword, "") + _text(match[2], f"{name}:{number}")
    if message is not None:
        yield message


def _text(quoted: str, where: str) -> str:
    """A quoted text with C's escapes, of which Python has the same."""
    try:
        return str(ast.literal_eval(quoted))
    except (SyntaxError, ValueError) as error:
        raise BadInput(Problem(where, f"{quoted[:50]} is no quoted text")) from error
