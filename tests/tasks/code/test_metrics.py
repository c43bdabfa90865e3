"""pass@k is that of the paper; syntax is that of the Python in use."""

import itertools
from pathlib import Path

import pytest

from pipeline.tasks.code.metrics import CodeMatch, PassAtK, SyntaxValid, is_python, pass_at_k
from pipeline.tasks.code.sandbox import Sandbox


def share_of_draws(n: int, c: int, k: int) -> float:
    """Of all ways to draw k of n programs, c of which pass, those with one that passes: what pass@k is defined to be
    (Chen et al. 2021, arXiv:2107.03374, section 2.1)."""
    draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
    return sum(map(any, draws)) / len(draws)


def test_pass_at_k_is_the_share_of_draws_that_pass() -> None:
    for n in range(1, 10):
        for k, c in itertools.product(range(1, n + 1), range(n + 1)):
            assert pass_at_k(n, c, k) == pytest.approx(share_of_draws(n, c, k), abs=1e-9)


def test_pass_at_k_of_rows() -> None:
    rows = [{"tests": ["assert f(2) == 4"]}, {"tests": "assert g()", "setup": "import math"}, {"tests": None}]
    said = [
        {"codes": ["f = lambda x: x * x", "f = lambda x: x", "f = lambda x: x + x", "def f(:"]},
        {"codes": ["g = lambda: math.pi"] * 3 + ["import sys; sys.exit(0)"]},
        {"codes": ["anything"] * 4},
    ]
    metric = PassAtK([1, 2], Sandbox(seconds=2))
    for one, row in zip(said, rows, strict=True):
        metric.update([one], [row])
    found = metric.compute()
    assert found["pass_at_1"] == pytest.approx((share_of_draws(4, 2, 1) + share_of_draws(4, 3, 1)) / 2)
    assert found["pass_at_2"] == pytest.approx((share_of_draws(4, 2, 2) + share_of_draws(4, 3, 2)) / 2)
    alone = PassAtK([1], Sandbox(seconds=2))
    assert alone.compute() == {}
    alone.update([{"code": "g = lambda: 1"}], rows[1:2])
    assert alone.compute() == {"pass_at_1": 1.0}


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("def f(a):\n    return a", True),
        ("名 = '🙂'", True),
        ("def f(a):\nreturn a", False),
        ("print 'a'", False),
        ("", False),
        ("# nothing", False),
        ("x = '\0'", False),
        ("(" * 10_000, False),
        ("'\\d'", True),
    ],
)
def test_what_python_can_parse(text: str, valid: bool) -> None:
    assert is_python(text) is valid


def test_shares_of_code() -> None:
    where = {"prediction": "code", "reference": "code"}
    match, syntax = CodeMatch(**where), SyntaxValid(**where)
    said = [{"code": "def f(a):\n\n    return  a\n"}, {"code": "def f(b:"}]
    rows = [{"code": "def f(a):\n    return a"}, {"code": ["def f(b): pass", "x"]}]
    for metric in (match, syntax):
        metric.update(said, rows)
    assert match.compute() == {"exact_match": 0.5} and syntax.compute() == {"syntax_valid": 0.5}


def test_every_standard_module_is_python() -> None:
    import statistics

    assert is_python(Path(statistics.__file__).read_text("utf-8"))
