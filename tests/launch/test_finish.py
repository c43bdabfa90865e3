"""Of what is compared with the model that was saved there is little, whatever the rows are."""

from typing import Any

import pytest

from pipeline.launch.finish import _short


@pytest.mark.parametrize(
    ("lengths", "compared"),
    [
        ([9, 3, 5] * 10, [3] * 8),
        ([300, 100, 200, 100, 250], [100, 100, 200]),
        ([1_024] * 64, [1_024]),  # packed blocks
        ([700], [700]),
        ([], []),
    ],
)
def test_the_shortest_up_to_512_tokens(lengths: list[int], compared: list[int]) -> None:
    rows: list[dict[str, Any]] = [{"length": length} for length in lengths]
    assert [row["length"] for row in _short(rows)] == compared
