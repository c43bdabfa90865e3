"""What a tagger learns from its data before training: the tags, their scheme, and what is wrong with the rows."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.data.origins import visible
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.tasks.classification.labels import in_order
from pipeline.tasks.places import row_problem
from pipeline.tasks.tagging.rows import SPANS, TAGS, TEXT, WORDS, RowError, tags_of, words_of
from pipeline.tasks.tagging.schemes import (
    OUTSIDE,
    Scheme,
    completed,
    entities,
    scheme_of,
    strangers,
    types_of,
)

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from transformers import PretrainedConfig

    from pipeline.tasks.base import Head
    from pipeline.tasks.token_classification import TokenClassification

# Kinds of fault, and tags, that are shown; rows that are read at one time.
MOST, CHUNK = 5, 1_000


@dataclass
class Column:
    """What one split holds. Rows count from 1."""

    counts: Counter[str] = field(default_factory=Counter)
    spans: Counter[str] = field(default_factory=Counter)
    rows: dict[str, array[int]] = field(default_factory=dict)
    words: int = 0
    empty: int = 0
    faults: dict[tuple[str, str], tuple[str, list[int]]] = field(default_factory=dict)


def learn_head(task: TokenClassification, data: DatasetDict, config: PretrainedConfig | None) -> Head:
    """The head's facts, as :class:`pipeline.tasks.token_classification.TokenClassification` describes them.

    Raises BadInput with everything that is wrong, rows named by split, number and text.
    """
    head: Head = {"input": _input_of(data), "names": _names(task, data["train"]), "scheme": "bio"}
    if head["input"] == "text":
        if task.scheme == "none":
            raise BadInput(Problem("task.scheme", "none has no tags for spans", "auto, bio or bioes"))
        head["scheme"] = "bio" if task.scheme == "auto" else task.scheme
    columns = {split: _read(task, rows, head) for split, rows in data.items()}
    if problems := _faults(columns, data):
        raise BadInput(problems)
    labels = _labels(task, columns["train"], head, config)
    if problems := _label_problems(task, labels, columns, data, head):
        raise BadInput(problems)
    return {
        **head,
        "labels": labels,
        "frequent": _frequent(columns["train"], head["scheme"]),
        "counts": {split: _shown_counts(column, labels, head["scheme"]) for split, column in columns.items()},
        "words": {split: column.words for split, column in columns.items()},
        "empty": sum(column.empty for column in columns.values()),
    }


def _input_of(data: DatasetDict) -> str:
    """``tokens`` with ``tags``, or ``text`` with ``spans``, in every split."""
    pairs = {"tokens": ("tokens", "tags"), "text": ("text", "spans")}
    for name, needed in pairs.items():
        if all(set(needed) <= set(rows.column_names) for rows in data.values()):
            return name
    have = visible(data["train"].column_names)
    what = f"train has the columns {listing(have)}"
    allowed = "tokens and tags, or text and spans, in every split; say which with data.columns.tags=NAME"
    if "text" in have and "tags" in have:
        allowed += "; data.columns.tokens=text where spaces are between the words"
    lacking = [
        split
        for split, rows in data.items()
        if not any(set(pair) <= set(rows.column_names) for pair in pairs.values())
    ]
    if "train" not in lacking and lacking:
        what = f"{listing(lacking)} lacks what train has"
    raise BadInput(Problem(TAGS, what, allowed))


def _names(task: TokenClassification, rows: Dataset) -> list[str] | None:
    """Names of tags that are numbers: those of a ClassLabel column, or those that the user gives."""
    feature: Any = rows.features.get("tags")
    feature = getattr(feature, "feature", feature)
    names = getattr(feature, "names", None)
    if not names and task.labels and str(getattr(feature, "dtype", "")).startswith(("int", "uint")):
        names = [str(label) for label in task.labels]
    return list(names) if names else None


def _rows(rows: Dataset, roles: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    chosen = rows.select_columns([role for role in roles if role in rows.column_names])
    number = 0
    for batch in chosen.iter(CHUNK):
        for values in zip(*batch.values(), strict=True):
            number += 1
            yield number, dict(zip(batch, values, strict=True))


def _read(task: TokenClassification, rows: Dataset, head: Head) -> Column:
    column = Column()
    expand = task.misaligned_spans == "expand"
    for number, row in _rows(rows, ("tokens", "tags") if head["input"] == "tokens" else ("text", "spans")):
        try:
            words = words_of(row, head)
            tags = tags_of(row, words, head, expand)
        except RowError as error:
            fault = column.faults.setdefault((error.where, error.kind), (str(error), []))
            fault[1].append(number)
            continue
        column.words += len(words)
        column.empty += not len(words)
        column.counts.update(tags)
        for tag in dict.fromkeys(tags):
            column.rows.setdefault(tag, array("I")).append(number)
        if scheme_of(tags) != "none":
            column.spans.update(kind for kind, _, _ in entities(tags, "bio"))
    return column


def _faults(columns: Mapping[str, Column], data: DatasetDict) -> list[Problem]:
    """One problem for each kind of fault, wherever it is."""
    problems = []
    for where, kind in dict.fromkeys(key for column in columns.values() for key in column.faults):
        found = {
            split: column.faults[where, kind]
            for split, column in columns.items()
            if (where, kind) in column.faults
        }
        message = next(iter(found.values()))[0]
        quoted = "text" if "text" in data["train"].column_names else "tokens"
        places = {split: rows for split, (_, rows) in found.items()}
        allowed = _allowed(where, kind)
        problems.append(row_problem(where, message, places, data, allowed, quoted=quoted))
    return problems


def _allowed(where: str, kind: str) -> str:
    if kind == "inside of":
        return "spans of whole words; task.misaligned_spans=expand takes the words whole"
    if where == SPANS:
        return "spans {start, end, label} of characters that share no words"
    return {
        WORDS: "a list of words, or a text with spaces between them",
        TEXT: "a text in every row",
        TAGS: "a tag for every word",
    }[where]


def _labels(task: TokenClassification, train: Column, head: Head, config: Any) -> list[str]:
    """All tags in their order; sets the scheme."""
    given = [str(label) for label in task.labels] if task.labels is not None else None
    found = given or head["names"] or [str(label) for label in in_order(train.counts)]
    if head["input"] == "text":
        # What the user names are types; or tags, if the one for all else is among them.
        named = given is not None and OUTSIDE not in given
        kinds = given if given is not None and named else types_of(given or found)
        found = [OUTSIDE, *(f"B-{kind}" for kind in kinds)]
    else:
        head["scheme"] = scheme_of(found) if task.scheme == "auto" else task.scheme
    if odd := _nearly(found, head["scheme"], task.scheme):
        raise BadInput(odd)
    labels = completed(found, head["scheme"])
    # A checkpoint that was trained for the same tags keeps their order, and with it its head.
    known = [str(name) for _, name in sorted((getattr(config, "id2label", None) or {}).items())]
    return known if sorted(known) == sorted(labels) else labels


def _nearly(tags: Sequence[str], scheme: Scheme, asked: str) -> list[Problem]:
    """Tags that a scheme does not have, where it was asked for or most tags follow it."""
    if asked == "auto" and scheme == "none":
        prefixed = [tag for tag in tags if tag[:2] in ("B-", "I-", "E-", "S-", "L-", "U-")]
        odd = [tag for tag in tags if tag != OUTSIDE and tag not in prefixed]
        if len(prefixed) <= len(odd):
            return []
        allowed = "O, B-TYPE, I-TYPE, …; task.scheme=none where tags are no spans"
        return [Problem(TAGS, f"{listing(map(repr, odd), MOST)} among tags like {prefixed[0]!r}", allowed)]
    odd = strangers(tags, scheme)
    allowed = {"bio": "O, B-TYPE and I-TYPE", "bioes": "O, B-, I-, E- and S-TYPE", "none": ""}[scheme]
    return (
        [Problem("task.scheme", f"{scheme} has no {listing(map(repr, odd), MOST)}", allowed)] if odd else []
    )


def _label_problems(
    task: TokenClassification,
    labels: Sequence[str],
    columns: Mapping[str, Column],
    data: DatasetDict,
    head: Head,
) -> list[Problem]:
    seen = columns["train"].counts
    if not seen or (len(seen) < 2 and (task.labels is None or len(labels) < 2)):
        found = f"only the tag {next(iter(seen))!r}" if seen else "no tags"
        return [Problem(TAGS, f"the training data has {found}", "at least 2 different tags")]
    known, problems = set(labels), []
    wrong = dict.fromkeys(tag for column in columns.values() for tag in column.counts if tag not in known)
    for tag in list(wrong)[:MOST]:
        rows = {split: column.rows[tag] for split, column in columns.items() if tag in column.counts}
        quoted = "text" if head["input"] == "text" else "tokens"
        if task.labels is not None:
            where, what = "task.labels", f"tag {tag!r} is not in it"
            allowed = listing(labels, MOST * 4)
        else:
            where, what = TAGS, f"tag {tag!r} never occurs in the training data"
            allowed = f"{listing(labels, MOST * 4)}; task.labels=[…] keeps tags without training examples"
        close = nearest(tag, labels)
        problems.append(row_problem(where, what, rows, data, allowed, nearest=close, quoted=quoted))
    if len(wrong) > MOST:
        problems.append(Problem(TAGS, f"… and {len(wrong) - MOST} more tags like these", "the tags' column"))
    return problems


def _frequent(train: Column, scheme: Scheme) -> str:
    """What is said of a word that no token is of: zero-width signs, say."""
    return OUTSIDE if scheme != "none" else train.counts.most_common(1)[0][0]


def _shown_counts(column: Column, labels: Sequence[str], scheme: Scheme) -> dict[str, int]:
    """Words of each tag, or, where tags make spans, spans of each type."""
    if scheme == "none":
        return {label: column.counts[label] for label in labels}
    return {kind: column.spans[kind] for kind in types_of(labels)}
