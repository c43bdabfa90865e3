"""The baseline without a neural network: TF-IDF of words and word pairs, and logistic regression."""

from collections.abc import Mapping
from typing import Any

NAME = "TF-IDF + logistic regression"
# Inverse strength of the regularisation; scikit-learn's default of 1 is too strong for sparse features.
_CANDIDATES = (1.0, 3.0, 10.0, 30.0, 100.0)


def tfidf_accuracy(splits: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracy on the test split, and the regularisation that it was reached with.

    A baseline at its best: the regularisation is chosen on the validation split, and the final model is
    fitted on training and validation rows together.
    """
    fitted = {c: _fit(c, splits["train"]) for c in _CANDIDATES}
    best = max(fitted, key=lambda c: _accuracy(fitted[c], splits["validation"]))
    final = _fit(best, splits["train"], splits["validation"])
    return {"name": NAME, "C": best, "accuracy": _accuracy(final, splits["test"])}


def _fit(c: float, *splits: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(vectors, LogisticRegression(C=c, max_iter=1000))
    texts = [text for rows in splits for text in rows["text"][:]]
    return model.fit(texts, [label for rows in splits for label in rows["label"][:]])


def _accuracy(model: Any, rows: Any) -> float:
    return float(model.score(rows["text"][:], rows["label"][:]))
