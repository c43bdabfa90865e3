"""Scores of written code: whether it is what was expected, whether it is Python, and whether it passes its tests."""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torchmetrics import Metric

from pipeline.tasks.code.programs import asserts_of, program
from pipeline.tasks.writing.metrics import FINE, TextMetric

if TYPE_CHECKING:
    from pipeline.tasks.code.sandbox import Sandbox


class CodeMatch(TextMetric):
    """Share of code that is one of its references, white space of any kind and number being the same:
    ``exact_match``."""

    higher_is_better = True

    def __init__(self, **where: Any) -> None:
        super().__init__(2, **where)

    def statistics(self, text: str, references: list[str]) -> list[int]:
        return [1, int(text.split() in [reference.split() for reference in references])]

    def scores(self, sums: list[int]) -> dict[str, float]:
        return {"exact_match": sums[1] / sums[0]}


class SyntaxValid(TextMetric):
    """Share of code that the Python in use can parse, and that is not empty: ``syntax_valid``."""

    higher_is_better = True

    def __init__(self, **where: Any) -> None:
        super().__init__(2, **where)

    def statistics(self, text: str, references: list[str]) -> list[int]:
        return [1, int(is_python(text))]

    def scores(self, sums: list[int]) -> dict[str, float]:
        return {"syntax_valid": sums[1] / sums[0]}


def is_python(text: str) -> bool:
    """Whether there is code in ``text`` that the Python in use can parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


class PassAtK(Metric):
    """pass@k: how likely one of k programs passes all tests of its row, ``pass_at_<k>``.

    Estimated without bias from n >= k programs of each row, of which c pass (Chen et al. 2021, arXiv:2107.03374,
    equation 1): the mean over rows of 1 - C(n - c, k) / C(n, k). Rows without tests do not count: nothing can fail
    in them. Runs what a model wrote.
    """

    full_state_update = False
    higher_is_better = True
    # A pass in which nothing was written has no score, which is no mistake to warn of.
    update_called = True
    sums: torch.Tensor

    def __init__(self, ks: Sequence[int], sandbox: Sandbox) -> None:
        super().__init__()
        self.ks, self.sandbox = list(ks), sandbox
        self.add_state("sums", torch.zeros(1 + len(self.ks), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, said: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> None:
        """said: ``{"code": …}`` of each row, or ``{"codes": [ … ]}``."""
        tried = [(words, row) for words, row in zip(said, rows, strict=True) if asserts_of(row)]
        written = [words.get("codes") or [words["code"]] for words, _ in tried]
        programs = [
            program(code, row) for codes, (_, row) in zip(written, tried, strict=True) for code in codes
        ]
        # A model that has learned little writes the same again and again.
        once = list(dict.fromkeys(programs))
        passed = dict(zip(once, (outcome.passed for outcome in self.sandbox.run_all(once)), strict=True))
        right = iter(passed[text] for text in programs)
        for codes in written:
            count = sum(next(right) for _ in codes)
            shares = [round(FINE * pass_at_k(len(codes), count, k)) for k in self.ks]
            self.sums += torch.tensor([1, *shares], device=self.sums.device)

    def compute(self) -> dict[str, float]:
        rows, *shares = self.sums.tolist()
        return (
            {name_of(k): share / FINE / rows for k, share in zip(self.ks, shares, strict=True)}
            if rows
            else {}
        )


def pass_at_k(programs: int, passed: int, k: int) -> float:
    """The unbiased estimate of pass@k for one row."""
    return 1.0 - math.comb(programs - passed, k) / math.comb(programs, k)


def name_of(k: int) -> str:
    return f"pass_at_{k}"
