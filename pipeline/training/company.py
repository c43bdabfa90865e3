"""Scoring with a model that is cut over processes: every process has to compute equally often.

Each forward pass gathers weights from all processes, but the rows of a split are dealt so that each counts once, and
one process may have a batch less than another. It computes its last batch again then, for the others' sake alone.
"""

from collections.abc import Callable, Mapping

import torch


class Company:
    """expected: of each split, how many batches the process with the most has."""

    def __init__(self) -> None:
        self.expected: dict[str, int] = {}
        self._passed: dict[str, int] = {}
        self._again: dict[str, Callable[[], object]] = {}

    def expect(self, batches: Mapping[str, int]) -> None:
        """A pass over the splits begins."""
        self.expected, self._passed, self._again = dict(batches), {}, {}

    def passed(self, split: str, again: Callable[[], object]) -> None:
        """A batch is scored; ``again`` would compute it once more."""
        self._passed[split] = self._passed.get(split, 0) + 1
        self._again[split] = again

    @torch.no_grad()
    def keep(self, split: str) -> None:
        """All own batches are scored: compute on until those of the others are too."""
        for _ in range(self.expected.get(split, 0) - self._passed.get(split, 0)):
            self._again[split]()
        self._again.pop(split, None)
