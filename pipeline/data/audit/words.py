"""The words of a text in any script: a sign of those that are written without spaces is one by itself."""

import re

_SPACELESS = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0eff"
PATTERN = rf"[{_SPACELESS}]|[^\W{_SPACELESS}]+"
_WORDS = re.compile(PATTERN)


def words(text: str) -> list[str]:
    return _WORDS.findall(text.casefold())
