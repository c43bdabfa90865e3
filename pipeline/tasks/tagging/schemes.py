"""Tags of words: which scheme they follow, and the spans (entities) that they stand for.

Schemes (Ramshaw & Marcus 1995; Ratinov & Roth 2009): with ``bio`` a span of type X is B-X I-X I-X, or, where it
follows none of its type, I-X I-X (IOB1); with ``bioes`` it is B-X I-X E-X, or S-X alone; BILOU is the same with L
for E and U for S. All else is O. With ``none`` tags are just tags, as parts of speech are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pipeline.tasks.tagging.words import Span, Words

Scheme = Literal["bio", "bioes", "none"]
# Type, first word, and the one behind the last.
Entity = tuple[str, int, int]

OUTSIDE = "O"
_PREFIXED = re.compile(r"O|[BIESLU](-.+)?", re.DOTALL)
_PREFIXES = {"bio": "BI", "bioes": "BIES"}
_BILOU = {"L": "E", "U": "S"}


class SpanError(ValueError):
    """Spans that cannot be tags; the message says why."""


def scheme_of(tags: Iterable[str]) -> Scheme:
    """The scheme that a set of tags follows; ``none`` where one of them does not look like it."""
    tags = set(tags)
    if not all(_PREFIXED.fullmatch(tag) for tag in tags) or tags <= {OUTSIDE}:
        return "none"
    return "bioes" if {tag[0] for tag in tags} & set("ESLU") else "bio"


def strangers(tags: Iterable[str], scheme: Scheme) -> list[str]:
    """The tags that a scheme does not have."""
    if scheme == "none":
        return []
    allowed = "BI" if scheme == "bio" else "BIESLU"
    return [tag for tag in tags if tag != OUTSIDE and not (_PREFIXED.fullmatch(tag) and tag[0] in allowed)]


def completed(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """``tags`` in order, and what they lack for every type to begin, go on and end: a rare type may have only
    spans of one word in training and longer ones afterwards."""
    if scheme == "none":
        return list(tags)
    bilou = any(tag[0] in _BILOU for tag in tags)
    prefixes = "BILU" if bilou else _PREFIXES[scheme]
    types = dict.fromkeys(tag[1:] for tag in tags if tag != OUTSIDE)
    return list(dict.fromkeys([OUTSIDE, *tags, *(prefix + kind for kind in types for prefix in prefixes)]))


def continued(tag: str, scheme: Scheme) -> str:
    """The tag of what goes on inside a span that begins with ``tag``."""
    return f"I{tag[1:]}" if scheme != "none" and tag != OUTSIDE else tag


def type_of(tag: str) -> str:
    """The type that a tag is of, as seqeval has it: ``_`` for a prefix alone."""
    return tag[1:].split("-", 1)[-1] or "_"


def types_of(tags: Iterable[str]) -> list[str]:
    """The types that tags are of, each once."""
    return list(dict.fromkeys(type_of(tag) for tag in tags if tag != OUTSIDE))


def entities(tags: Sequence[str], scheme: Scheme) -> list[Entity]:
    """Spans of tags as seqeval (and conlleval) finds them: an I-X that nothing precedes begins a span."""
    if scheme == "none":
        return []
    from seqeval.metrics.sequence_labeling import get_entities

    plain = [_BILOU.get(tag[0], tag[0]) + tag[1:] for tag in tags]
    return [(kind, first, last + 1) for kind, first, last in get_entities(plain)]


def strict_entities(tags: Sequence[str], scheme: Scheme) -> list[Entity]:
    """Only the spans that are well-formed in the scheme (seqeval's mode ``strict``)."""
    from seqeval.scheme import IOB2, IOBES, Entities

    plain = [_BILOU.get(tag[0], tag[0]) + tag[1:] for tag in tags]
    found = Entities([plain], IOBES if scheme == "bioes" else IOB2).entities[0]
    return [(entity.tag, entity.start, entity.end) for entity in found]


def tags_of_spans(
    spans: Sequence[Mapping[str, object]], words: Words, scheme: Scheme, *, expand: bool
) -> list[str]:
    """A tag for every word, from spans of characters ``{start, end, label}``.

    expand: a span that begins or ends inside a word takes the whole word. Spaces around a span do not count.
    Raises SpanError for a span that is outside of the text, empty, without a label, inside of a word, or shares
    words with another.
    """
    tags, taken = [OUTSIDE] * len(words), dict[int, str]()
    for span in sorted(spans, key=_begin):
        start, end, label = checked_span(span, words.text)
        shown = f"{label} {words.text[start:end]!r} ({start} to {end})"
        inside = [n for n, (first, last) in enumerate(words.spans) if first < end and last > start]
        if not inside:
            raise SpanError(f"{shown} holds no word")
        if not expand:
            _check_edges(shown, (start, end), words, inside)
        if other := next((taken[word] for word in inside if word in taken), None):
            raise SpanError(f"{shown} overlaps {other}")
        taken |= dict.fromkeys(inside, shown)
        for place, word in enumerate(inside):
            prefix = "B" if place == 0 else "I"
            if scheme == "bioes" and word == inside[-1]:
                prefix = "S" if place == 0 else "E"
            tags[word] = f"{prefix}-{label}"
    return tags


def _begin(span: Mapping[str, object]) -> int:
    start = span.get("start") if isinstance(span, Mapping) else None
    return start if isinstance(start, int) else -1


def checked_span(span: Mapping[str, object], text: str) -> tuple[int, int, str]:
    """Start, end and label without the spaces around. Raises SpanError."""
    if not isinstance(span, Mapping):
        raise SpanError(f"{span!r} is no span {{start, end, label}}")
    start, end, label = span.get("start"), span.get("end"), span.get("label")
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(label, str) or not label:
        raise SpanError(f"the span {dict(span)} lacks a start, an end or a label")
    if not 0 <= start < end <= len(text):
        raise SpanError(f"{label} ({start} to {end}) is no range in a text of {len(text)} characters")
    if not text[start:end].strip():
        raise SpanError(f"{label} ({start} to {end}) holds no word")
    start += len(text[start:end]) - len(text[start:end].lstrip())
    return start, start + len(text[start:end].rstrip()), label


def _check_edges(shown: str, span: Span, words: Words, inside: Sequence[int]) -> None:
    for edge, word in ((span[0], words.spans[inside[0]]), (span[1], words.spans[inside[-1]])):
        if word[0] < edge < word[1]:
            raise SpanError(f"{shown} ends or begins inside of the word {words.text[word[0] : word[1]]!r}")
