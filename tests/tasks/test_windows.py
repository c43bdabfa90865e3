"""Windows move on, and every token has one window that it is told in."""

import pytest

from pipeline.errors import BadInput
from pipeline.tasks.windows import cut_behind, overlap, owner
from tests.models import families


def test_overlap() -> None:
    assert [overlap(None, room, 128) for room in (500, 100, 1)] == [128, 50, 0]
    assert overlap(7, 8, 128) == 7
    with pytest.raises(BadInput, match=r"task\.stride: 8 .*\n.*0 to 7"):
        overlap(8, 8, 128)


@pytest.mark.parametrize(
    ("room", "stride", "tokens"), [(10, 3, 38), (10, 9, 25), (4, 0, 13), (7, 2, 7), (5, 1, 1)]
)
def test_owner_has_most_around_a_token(room: int, stride: int, tokens: int) -> None:
    step = room - stride
    starts = [0]
    while starts[-1] + room < tokens:
        starts.append(starts[-1] + step)
    lengths = [min(room, tokens - start) for start in starts]
    for place in range(tokens):
        around = {
            number: min(place - start, start + length - 1 - place)
            for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
            if start <= place < start + length
        }
        found = owner(place, step, lengths)
        assert around[found] == max(around.values())


def test_windows_go_forwards_whatever_the_tokenizer_prefers() -> None:
    tokenizer = families.tokenizer(truncation_side="left")
    with cut_behind(tokenizer):
        cut = tokenizer("the film was good", truncation=True, max_length=4, return_overflowing_tokens=True)
        assert cut["input_ids"] == [[2, 5, 6, 3], [2, 7, 9, 3]]
    assert tokenizer.truncation_side == "left"
