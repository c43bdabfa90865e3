"""The best spans are those that looking at every pair finds."""

import pytest
import torch

from pipeline.tasks.spans.search import best_spans


@pytest.mark.parametrize("longest", [1, 3, 50])
@pytest.mark.parametrize("count", [1, 7, 400])
def test_every_pair_is_looked_at(longest: int, count: int) -> None:
    torch.manual_seed(longest + count)
    start, end = torch.randn(3, 12), torch.randn(3, 12)
    allowed = torch.zeros(3, 12, dtype=torch.bool)
    allowed[0, 4:11] = allowed[1, 2:] = True
    found = best_spans(start, end, allowed, longest, count)
    assert found.shape[::2] == (3, 3)
    for line in range(3):
        pairs = sorted(
            (
                (float(start[line, i] + end[line, j]), i, j)
                for i in range(12)
                for j in range(i, min(12, i + longest))
                if allowed[line, i] and allowed[line, j]
            ),
            reverse=True,
        )[:count]
        kept = [row for row in found[line].tolist() if row[2] > -torch.inf]
        assert [(int(i), int(j)) for i, j, _ in kept] == [(i, j) for _, i, j in pairs]
        assert [score for *_, score in kept] == pytest.approx([score for score, *_ in pairs])
