"""The baseline without a neural network: TF-IDF of words and word pairs, and logistic regression."""

from collections.abc import Mapping
from typing import Any


def tfidf_accuracy(splits: Mapping[str, Any]) -> float:
    """Accuracy on the test split of scikit-learn's defaults, fitted on the training split."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train, test = splits["train"], splits["test"]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000))
    model.fit(train["text"][:], train["label"][:])
    return float(model.score(test["text"][:], test["label"][:]))
