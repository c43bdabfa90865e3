"""The draw is scikit-learn's own."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from pipeline.sources.stratified import stratified_halves


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("rows", "kinds", "count"), [(40, 3, 9), (41, 7, 20), (1000, 13, 100), (999, 2, 333)]
)
def test_the_same_rows_as_train_test_split(seed: int, rows: int, kinds: int, count: int) -> None:
    drawn = np.random.default_rng(seed).integers(kinds, size=rows).astype(np.int32)
    # Not every number is a class, and each class has two rows.
    classes = np.concatenate([np.repeat(np.arange(kinds, dtype=np.int32), 2), drawn])[:rows] * 2
    expected = train_test_split(np.arange(rows), test_size=count, stratify=classes, random_state=seed)
    found = stratified_halves(classes, count, seed)
    assert [part.tolist() for part in found] == [part.tolist() for part in expected]
