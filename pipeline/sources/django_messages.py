"""What Django says to people, in English and in one of its other languages.

{"source": "Enter a valid email address.", "target": "Bitte gültige E-Mail-Adresse eingeben."}

Short texts of forms, errors and the admin site, translated by volunteers (transifex.com/django); some have
placeholders, as in ``%(name)s``, and markup.
"""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.sources.packaged import Packaged, Row
from pipeline.sources.reading.gettext import read_messages


@component
class DjangoMessages(Packaged):
    """Every message of Django's own applications that has a finished translation; of equal ones the first.

    Left out are messages whose translation is marked as fuzzy, those with plural forms, and untranslated ones. For
    German 778 of 923 messages stay: 57 have plural forms, 17 are untranslated, 71 repeat another one.
    """

    # The language of `target`, as Django names its folder: de, fr, pt_BR, zh_Hans, ar, …
    language: Annotated[str, Field(min_length=2)] = "de"

    address: ClassVar[str] = "pypi:Django@5.2.19/django"
    sha256: ClassVar[str] = "5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00"
    licence: ClassVar[str] = "BSD-3-Clause"
    same: ClassVar[tuple[str, ...]] = ("source",)

    def rows(self, path: Path) -> list[Row]:
        return self.pairs(path)[0]

    def pairs(self, path: Path) -> tuple[list[Row], Counter[str]]:
        """The rows, and how many messages are left out, by why. Raises BadInput for a language that is not there."""
        files = sorted(path.glob(f"**/locale/{self.language}/LC_MESSAGES/*.po"))
        if not files:
            folders = {file.parents[1].name for file in path.glob("**/locale/*/LC_MESSAGES/*.po")} - {"en"}
            what, there = f"there is no language {self.language!r}", sorted(folders)
            raise BadInput(
                Problem("data.language", what, listing(there, most=len(there)), nearest(self.language, there))
            )
        rows: list[Row] = []
        left_out: Counter[str] = Counter()
        for file in files:
            for message in read_messages(file.read_text(encoding="utf-8"), str(file.relative_to(path))):
                if message.left_out:
                    left_out[message.left_out] += 1
                else:
                    rows.append({"source": message.texts["msgid"], "target": message.texts["msgstr"]})
        return rows, left_out

    def fingerprint(self) -> str:
        return hashlib.sha256(f"{super().fingerprint()}/{self.language}".encode()).hexdigest()
