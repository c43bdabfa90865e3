"""Lines of several processes end up in one file, in the order of their numbers."""

import random
from pathlib import Path

from pipeline.reporting.ordered_lines import OrderedLines, join


def test_lines_of_every_part_by_number(tmp_path: Path):
    numbers = list(range(200))
    random.Random(0).shuffle(numbers)
    parts = [tmp_path / f"part{rank}" for rank in range(3)]
    for rank, part in enumerate(parts):
        with OrderedLines(part) as lines:
            for number in numbers[rank::3]:
                lines.add(number, f'{{"n": {number}, "text": "\u00e9\u2028\ttab {"x" * (number % 7)}"}}')
    target = tmp_path / "all.jsonl"
    join(parts, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.jsonl"]
    written = target.read_text(encoding="utf-8").split("\n")[:-1]
    assert [line.split('"n": ')[1].split(",")[0] for line in written] == [str(n) for n in range(200)]
    assert written[6] == '{"n": 6, "text": "\u00e9\u2028\ttab xxxxxx"}'


def test_parts_without_lines(tmp_path: Path):
    with OrderedLines(tmp_path / "deep/part"):
        pass
    join([tmp_path / "deep/part"], tmp_path / "none.jsonl")
    assert (tmp_path / "none.jsonl").read_bytes() == b""
