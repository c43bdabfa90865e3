"""Rows of training that probably have the label of another class.

Confident learning (C. Northcutt, L. Jiang, I. Chuang, JAIR 2021, arXiv:1911.00068): a classifier that has not seen a
row gives it another class than its label, with a probability as is usual for rows of that class. The classifier is
logistic regression on TF-IDF of words, trained by SGD. Hard data alone makes it err too, but then rarely where it is
sure. Labels that were flipped are wrong there as well; only that is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.audit.finding import FEW, MANY, Finding, count, severity
from pipeline.data.audit.subject import TRAIN
from pipeline.data.audit.words import PATTERN

if TYPE_CHECKING:
    from pipeline.data.audit.subject import Subject

# Rows that are judged, fewer with many classes; characters of each that are read.
MOST, _ROWS_TIMES_CLASSES, _CHARACTERS = 10_000, 400_000, 1_000
# Each row is judged by a classifier that was trained on the other parts. Classes with fewer rows are left out.
_FOLDS = 4
_EPOCHS = 3, 50
# A classifier with more errors does not know better than the labels.
_LEAST_ACCURACY = 0.75
# The share of errors among the surest quarter, as a share of all errors. Measured on the labels as they are: 0.03 to
# 0.26 (six data sets of 2 to 77 classes); with 5 % of them flipped: 0.25 to 0.86.
_SURE, _FLIPPED = 0.25, 0.3
# From here on nearly all errors are those of the labels, and those that it is less sure of are named too.
_NEARLY_ALL = 0.5
# In small data that would be chance; it is looked at a second time (see `second_look`): the fewest errors among
# the surer half, and their share there as a share of all; or how few errors are left of those of the first look, the
# others having come of wrong labels. Measured on the labels as they are: 0.58 or more (movie_snippets,
# TREC-6, Chinese reviews, 200 to 1,000 rows each), with made-up reviews of which 5 % are flipped 0.37 to 0.6.
_SMALL, _SECOND_LEAST, _SECOND_FLIPPED, _CLEARED = 2_000, 3, 0.7, 0.55
# Of the surest rows, in which a wrong label or two is no finding yet, and of how many rows a judgement is made.
_LEAST_SHARE, _LEAST, _FEWEST = 0.01, 2, 40


def flipped(subject: Subject) -> list[Finding]:
    """At most one finding, the rows in it by how sure the classifier is."""
    labels = subject.classes.get(TRAIN)
    if labels is None:
        return []
    rows = subject.sample(TRAIN, min(MOST, _ROWS_TIMES_CLASSES // max(2, len(subject.head["labels"]))))
    rows = rows[np.bincount(labels[rows])[labels[rows]] >= _FOLDS]
    rows = rows[~subject.keys[TRAIN].blank[rows]]
    if len(rows) < _FEWEST or len(np.unique(labels[rows])) < 2:
        return []
    _, given = np.unique(labels[rows], return_inverse=True)
    texts = [text[:_CHARACTERS] for text in subject.texts(TRAIN, rows)]
    probabilities = out_of_fold(texts, given)
    if probabilities is None:
        return []
    if len(rows) <= _SMALL:
        probabilities, wrong = second_look(texts, given, probabilities)
    else:
        wrong = likely_wrong(probabilities, given)
    if not len(wrong):
        return []
    share = len(wrong) / len(rows)
    known = np.unique(labels[rows])
    names = [str(subject.head["labels"][number]) for number in known]
    first = wrong[0]
    instead = names[int(probabilities[first].argmax())]
    of = "" if len(rows) == len(labels) else f" of {len(rows):,} looked at"
    what = (
        f"probably with a wrong label: {count(len(wrong))}{of}; the first is {names[given[first]]!r} and reads like "
        f"{instead!r}"
    )
    named = [int(row) + 1 for row in rows[wrong]]
    advice = "look at the rows and correct them"
    severe = severity(share >= MANY and len(wrong) >= FEW)
    return [Finding("flipped labels", severe, what, advice, {TRAIN: named}, numbers={"share": share})]


def second_look(texts: list[str], labels: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities by classifiers that have not learned from the rows in which the ``first`` were wrong, and what
    is likely wrong by them: of a few hundred rows, wrong ones among them blur all that is learned."""
    errors = np.flatnonzero(first.argmax(1) != labels)
    judged = out_of_fold(texts, labels, without=errors)
    if judged is None or 1 - len(errors) / len(labels) < _LEAST_ACCURACY:
        return first, np.array([], dtype=np.int64)
    each, top, best = np.arange(len(labels)), judged.max(1), judged.argmax(1)
    wrong = best != labels
    half = np.argsort(-top, kind="stable")[: len(labels) // 2]
    sure_errors = int(wrong[half].sum())
    sure = sure_errors >= _SECOND_LEAST and sure_errors / len(half) >= _SECOND_FLIPPED * wrong.mean()
    cleared = _SECOND_LEAST <= wrong.sum() <= _CLEARED * len(errors)
    if not sure and not cleared:
        return first, np.array([], dtype=np.int64)
    found = np.flatnonzero(wrong)
    return judged, found[np.argsort(judged[each, labels][found] - top[found], kind="stable")]


def out_of_fold(
    texts: list[str], labels: np.ndarray, without: Sequence[int] | np.ndarray = ()
) -> np.ndarray | None:
    """(rows, classes): probabilities of each row's classes; None where the texts have no words to go by, or a class
    has no rows.

    without: indices of rows that nothing is learned from.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import StratifiedKFold

    classes = int(labels.max()) + 1
    try:
        vectors = TfidfVectorizer(token_pattern=PATTERN, min_df=2, sublinear_tf=True).fit_transform(texts)
    except ValueError:  # no word is in two texts
        return None
    epochs = int(np.clip(_ROWS_TIMES_CLASSES // (len(texts) * classes), *_EPOCHS))
    found = np.zeros((len(texts), classes))
    parts = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    for some, others in parts.split(np.zeros(len(labels)), labels):
        some = np.setdiff1d(some, without)
        if len(np.unique(labels[some])) < classes:
            return None
        model = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=epochs, tol=None, random_state=0)
        found[others] = model.fit(vectors[some], labels[some]).predict_proba(vectors[others])
    return found


def likely_wrong(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Indices of rows, the surest first; none where the errors may be the classifier's own.

    probabilities: (rows, classes), out of fold. labels: (rows,).
    """
    each = np.arange(len(labels))
    own, top, best = probabilities[each, labels], probabilities.max(1), probabilities.argmax(1)
    errors = best != labels
    surest = np.argsort(-top, kind="stable")[: int(len(labels) * _SURE)]
    sure_errors = int(errors[surest].sum())
    if 1 - errors.mean() < _LEAST_ACCURACY or sure_errors < max(_LEAST, _LEAST_SHARE * len(surest)):
        return np.array([], dtype=np.int64)
    # Two standard deviations less than what was counted: of few rows, a few errors say little.
    ratio = (sure_errors - 2 * np.sqrt(sure_errors)) / len(surest) / errors.mean()
    if ratio < _FLIPPED:
        return np.array([], dtype=np.int64)
    # The usual probability of a class among the rows that have it.
    usual = np.array(
        [probabilities[labels == label, label].mean() for label in range(probabilities.shape[1])]
    )
    confident = errors & (top >= usual[best])
    if ratio < _NEARLY_ALL:
        confident &= np.isin(each, surest)
    found = np.flatnonzero(confident)
    return found[np.argsort(own[found] - top[found], kind="stable")]
