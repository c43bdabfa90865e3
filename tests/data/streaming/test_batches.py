"""Batches of a stream: every row once, the same steps on any number of processes and workers, from any place on."""

import itertools
import json
from pathlib import Path

import pytest

from pipeline.data.batches import POOL_STEPS, TrainingBatches
from pipeline.data.streaming.batches import StreamedBatches, StreamLoader
from pipeline.data.streaming.facts import StreamFacts
from pipeline.errors import RunFailed
from pipeline.sources.reading.locating import locate
from pipeline.sources.reading.stream import FileStream
from pipeline.sources.reading.tables import Reading

COLUMNS = {"text": "text", "label": "label"}


def write(folder: Path, counts: list[int]) -> list[Path]:
    """Files of rows whose label is their number in the stream."""
    number, paths = itertools.count(), []
    for file, count in enumerate(counts):
        rows = [{"label": (n := next(number)), "text": "x" * (n * 7 % 23 + 1)} for _ in range(count)]
        paths.append(folder / f"{file}.jsonl")
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return paths


def stream_of(paths: list[Path], scan: int | None = None) -> tuple[FileStream, StreamFacts]:
    stream = FileStream(tuple(locate([str(path) for path in paths], "data.train")), Reading(), scan)
    found = stream.look(["label"], ["text"], {"text": None, "label": "whole"})
    return stream, StreamFacts(found.counts, found.whole, COLUMNS, found.numbers, 0, {})


def encode(rows: dict) -> dict:
    return {"label": rows["label"], "length": [len(text) for text in rows["text"]]}


def collate(features: list[dict]) -> list[int]:
    assert [row["index"] for row in features] == [row["label"] for row in features]
    return [row["index"] for row in features]


def batches(paths: list[Path], *, scan: int | None = None, **options) -> StreamedBatches:
    settings = {"batch_size": 4, "micro_batch": 3, "world_size": 1, "rank": 0, "seed": 5}
    settings |= {"group_by_length": True, **options}
    stream, facts = stream_of(paths, scan)
    return StreamedBatches(stream, facts, encode, collate, **settings)


def read(made: StreamedBatches, workers: int = 0) -> list[list[int]]:
    return list(StreamLoader(made, workers=workers, seed=0))


POOL = 4 * POOL_STEPS


@pytest.mark.parametrize("counts", [[3], [POOL], [90, POOL, 131], [POOL + 1], [2 * POOL + 2, 1]])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_every_row_once_and_the_same_steps_on_any_hardware(tmp_path: Path, counts: list[int], world: int):
    paths = write(tmp_path, counts)
    every = [batches(paths, world_size=world, rank=rank) for rank in range(world)]
    found = [read(made) for made in every]
    rows = [row for of_rank in found for batch in of_rank for row in batch]
    assert sorted(rows) == list(range(sum(counts)))
    assert [len(of_rank) for of_rank in found] == [len(made) for made in every]
    assert all(batch for of_rank in found for batch in of_rank)

    def steps(parts: list[list[list[int]]], accumulate: int) -> list[list[int]]:
        each = [
            [part[start : start + accumulate] for start in range(0, len(part), accumulate)] for part in parts
        ]
        return [
            sorted(row for group in step for batch in group for row in batch)
            for step in zip(*each, strict=True)
        ]

    if sum(counts) % 4 == 0 or sum(counts) % 4 >= world:
        alone = batches(paths)
        assert steps(found, every[0].whole.accumulate) == steps([read(alone)], alone.whole.accumulate)


def test_a_stream_of_one_pool_makes_the_batches_of_stored_rows(tmp_path: Path):
    paths = write(tmp_path, [POOL - 3])
    options = {"batch_size": 4, "micro_batch": 2, "world_size": 2, "rank": 1, "seed": 5}
    for group in (True, False):
        import numpy as np

        lengths = np.array([n * 7 % 23 + 1 for n in range(POOL - 3)])
        stored = TrainingBatches(lengths, **options, group_by_length=group)
        made = batches(paths, **{**options, "group_by_length": group})
        for _ in range(2):
            assert read(made) == list(stored)


def test_workers_hand_out_the_same_batches(tmp_path: Path):
    paths = write(tmp_path, [90, POOL])
    assert read(batches(paths), workers=2) == read(batches(paths))
    assert read(batches(paths), workers=3) == read(batches(paths))


def test_pools_are_shuffled_by_seed_and_epoch_and_files_too(tmp_path: Path):
    paths = write(tmp_path, [POOL] * 4)
    made = batches(paths)
    epochs = [read(made) for _ in range(6)]
    assert len({str(epoch) for epoch in epochs}) == 6
    assert len({epoch[0][0] // POOL for epoch in epochs}) > 1, "the same file is always first"
    assert read(batches(paths, seed=6)) != epochs[0]
    assert read(batches(paths)) == epochs[0]


def test_it_starts_anywhere_in_an_epoch(tmp_path: Path):
    paths = write(tmp_path, [90, POOL, 131])
    made = batches(paths)
    read(made)
    second = read(made)
    for start in (0, 1, 99, 100, 101, 180, len(second) - 1, len(second)):
        for workers in (0, 2) if start == 101 else (0,):
            again = batches(paths)
            again.start_at(1, start)
            assert read(again, workers) == second[start:], start


def test_files_before_the_place_are_not_opened(tmp_path: Path):
    paths = write(tmp_path, [POOL, POOL])
    made = batches(paths)
    whole = read(made)
    first = whole[0][0] // POOL
    again = batches(paths)
    paths[first].unlink()
    again.start_at(0, len(whole) // 2)
    assert read(again) == whole[len(whole) // 2 :]


def test_long_and_short_texts_are_apart(tmp_path: Path):
    paths = write(tmp_path, [3 * POOL])

    def spread(group: bool) -> float:
        found = read(batches(paths, group_by_length=group))
        return sum(max(row * 7 % 23 for row in batch) - min(row * 7 % 23 for row in batch) for batch in found)

    assert spread(True) < spread(False) / 10


def test_without_a_known_end_it_goes_round(tmp_path: Path):
    paths = write(tmp_path, [90, 20])
    made = batches(paths, scan=50, steps=60)
    found = read(made)
    assert len(made) == 60 * 2 == len(found)
    seen = [row for batch in found for row in batch]
    # 27 full steps a pass; two rows of it are left out, others each time.
    passes = [set(seen[:108]), set(seen[108:216])]
    assert [len(rows) for rows in passes] == [108, 108]
    assert passes[0] | passes[1] == set(range(110))
    assert read(batches(paths, scan=50, steps=60), workers=2) == found
    for start in (1, 53, 54, 55, 119):
        again = batches(paths, scan=50, steps=60)
        again.start_at(0, start)
        assert read(again) == found[start:], start
    short = batches(write(tmp_path, [3]), scan=2, steps=5)
    with pytest.raises(RunFailed, match="fewer rows than the 4 of one optimizer step"):
        read(short)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_changed_or_vanished_is_told(tmp_path: Path, workers: int):
    paths = write(tmp_path, [90, 20])
    made = batches(paths)
    lines = paths[1].read_text().splitlines(keepends=True)
    paths[1].write_text("".join(lines[:-1]))
    with pytest.raises(RunFailed, match=r"1\.jsonl: has 19 rows now, and had 20"):
        read(made, workers)
    paths[1].write_text("".join([*lines, lines[0]]))
    with pytest.raises(RunFailed, match=r"1\.jsonl: has more than 20 rows now"):
        read(made, workers)
    paths[1].unlink()
    with pytest.raises(RunFailed, match=r"1\.jsonl: cannot be read"):
        read(made, workers)
