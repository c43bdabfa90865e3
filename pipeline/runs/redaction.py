"""Takes secrets out of what leaves the machine or is shown: configurations, command lines, files.

What counts as a secret: the value of a key that is named like one (``api_key``, ``hub.token``,
``db_password``), credentials inside a URL, and strings that look like a token of a well-known service.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

REDACTED = "***"

SECRET_WORDS = {
    "apikey", "auth", "authorization", "credential", "credentials", "passphrase", "pwd",
    "secret", "secrets", "sig", "signature",
}  # fmt: skip
# `key` alone is no secret (a dictionary has keys); behind one of these words it is.
KINDS_OF_KEY = {"access", "account", "api", "auth", "encryption", "private", "secret", "signing", "ssh"}
# `token` at the end is a secret (`hub_token`), but not in the names that tokenizers use.
TOKENIZER_TOKENS = {
    "additional", "begin", "bos", "bot", "cls", "decoder", "end", "eos", "eot", "image", "mask", "new",
    "next", "pad", "per", "sep", "special", "start", "stop", "unk",
}  # fmt: skip

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_URL_USER = re.compile(r"(?<=://)[^/\s'\"]*(?=@)")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}")
_KNOWN = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bgh[opsur]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bsk-[\w-]{20,}"
    r"|\bwandb_v\d_\w{16,}|\bxox[abprs]-[\w-]{10,}|\bAKIA[A-Z0-9]{16}\b|\bpypi-[\w-]{32,}"
)
# `name=value`, `name: value`, `"name": "value"`, `?name=value&`: the name, and then the value.
_NAME = re.compile(r"""([\w.\-]+)["']?\s*[=:]\s*""")
_VALUE = re.compile(r""""[^"\n]*"|'[^'\n]*'|[^\s,;&"'{}\[\]()]+""")
# Gives nothing away. (The scheme of an Authorization header stands before what is hidden already.)
_HARMLESS = {"", "null", "None", "true", "false", "True", "False", "Bearer", "Basic", REDACTED}


def is_secret(key: str) -> bool:
    """Whether a key is named like a secret. Only the last part of a dotted key counts."""
    words = [word.lower() for word in _WORD.findall(key.rsplit(".", 1)[-1])]
    if any(word in SECRET_WORDS or word.endswith(("password", "passwd")) for word in words):
        return True
    for before, word in zip(["", *words], words, strict=False):
        if word == "key" and before in KINDS_OF_KEY:
            return True
    if not words or words[-1] not in ("token", "tokens"):
        return False
    before = words[-2] if len(words) > 1 else ""
    if words[-1] == "tokens":  # A number of tokens, unless it says otherwise.
        return before in KINDS_OF_KEY | {"hub", "refresh"}
    return before not in TOKENIZER_TOKENS


def redact(value: Any) -> Any:
    """A copy of nested dictionaries and lists without secrets; None and truth values stay what they are."""
    if isinstance(value, Mapping):
        return {key: _hidden(item) if is_secret(str(key)) else redact(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [redact(item) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """``text`` (a string, or a whole file) without secrets."""
    text = _URL_USER.sub(REDACTED, text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    text = _KNOWN.sub(REDACTED, text)
    return _without_pairs(text)


def _hidden(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) or value in ("", {}, []) else REDACTED


def _without_pairs(text: str) -> str:
    parts, at = [], 0
    for name in _NAME.finditer(text):
        value = _VALUE.match(text, name.end())
        if name.start() < at or value is None or not is_secret(name[1]):
            continue
        bare = value[0].strip("\"'")
        if bare not in _HARMLESS:
            quote = value[0][0] if value[0][0] in "\"'" else ""
            parts += [text[at : name.end()], quote, REDACTED, quote]
            at = value.end()
    return "".join([*parts, text[at:]])
