"""What is stored of examples comes back as it was, padded as the model would have it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.features import (
    CollateWithFeatures,
    Features,
    FeatureWriter,
    chosen,
    evaluation_batch,
    padded,
    places,
)

# Examples of one text, and one of two.
ROWS = [{"input_ids": [5, 6, 7]}, {"input_ids": [8]}, {"input_ids": [[1, 2], [3, 4, 5]]}]


def written(folder: Path, counts: list[int], read: str, dtype: str = "float32", side: str = "right") -> Path:
    """Vectors of two numbers, whose first is the example and second the vector in it."""
    writer = FeatureWriter(folder, counts, 2, dtype)
    for number in (2, 0, 1):
        values = [[float(number), float(place)] for place in range(counts[number])]
        writer.put(number, torch.tensor(values, dtype=getattr(torch, dtype)))
    writer.close({"read": read, "side": side, "returned": None})
    return folder


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_vectors_of_examples_in_any_order(tmp_path: Path, dtype: str) -> None:
    features = Features(written(tmp_path, [3, 1, 5], "all", dtype))
    found = features.of([1, 0])
    assert found.dtype == getattr(torch, dtype)
    assert found.tolist() == [[1, 0], [0, 0], [0, 1], [0, 2]]


@pytest.mark.parametrize("side", ["right", "left"])
def test_batches_are_padded_as_their_tokens_are(tmp_path: Path, side: str) -> None:
    features = Features(written(tmp_path, [3, 1, 5], "all", side=side))
    rows = [{"index": 2, **ROWS[2]}, {"index": 1, **ROWS[1]}]
    batch = features.batch(rows, tokens=4)
    lengths = [2, 3, 1]
    assert batch.shape == (3, 4, 2)
    shift = [4 - n if side == "left" else 0 for n in lengths]
    assert [batch[i, s : s + n].tolist() for i, (n, s) in enumerate(zip(lengths, shift, strict=True))] == [
        [[2, 0], [2, 1]],
        [[2, 2], [2, 3], [2, 4]],
        [[1, 0]],
    ]
    assert not batch[~torch.from_numpy(places(lengths, 4, side))].any()


@pytest.mark.parametrize(("read", "place"), [("first", 0), ("last", 2)])
def test_one_vector_stands_where_its_token_does(tmp_path: Path, read: str, place: int) -> None:
    features = Features(written(tmp_path, [1, 1, 2], read))
    (batch,) = features.batch([{"index": 0, **ROWS[0]}], tokens=5)
    assert batch[place].tolist() == [0, 0] and batch.shape == (5, 2)
    marked = Features(written(tmp_path, [1, 1, 2], "text")).batch([{"index": 2, **ROWS[2]}], 3)
    assert marked.tolist() == [[2, 0], [2, 1]]


def test_what_is_chosen_is_what_is_padded() -> None:
    there = torch.from_numpy(places([2, 3], 4, "left"))
    whole = torch.randn(2, 4, 3)
    for read in ("first", "last", "all"):
        again = padded(whole[chosen(there, read)], there, read)
        assert torch.equal(again, whole * chosen(there, read).unsqueeze(-1))


def test_a_batch_has_them_beside_its_inputs(tmp_path: Path) -> None:
    def collate(rows: object) -> dict[str, object]:
        return {"inputs": {"input_ids": torch.zeros(1, 4)}, "index": torch.tensor([0])}

    batch = CollateWithFeatures(collate, Features(written(tmp_path, [3, 1, 5], "all")))(
        [{"index": 0, **ROWS[0]}]
    )
    assert set(batch) == {"inputs", "index", "frozen"} and batch["frozen"].shape == (1, 4, 2)


def test_vectors_of_texts_are_evaluated_many_at_once(tmp_path: Path) -> None:
    texts = Features(written(tmp_path, [1, 1, 1], "text")).facts
    assert [evaluation_batch(texts, size) for size in (8, 64, 2_000)] == [1_024, 1_024, 2_000]
    # Of these a batch holds a vector for every token.
    tokens = Features(written(tmp_path, [3, 1, 5], "all")).facts
    assert evaluation_batch(tokens, 64) == 64


def test_the_file_is_mapped_and_not_read(tmp_path: Path) -> None:
    features = Features(written(tmp_path, [3, 1, 5], "all"))
    assert isinstance(features.values, np.memmap) and not features.values.flags.writeable


@pytest.mark.parametrize("name", ["values.bin", "starts.npy", "facts.json"])
def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path, name: str) -> None:
    written(tmp_path, [3, 1, 5], "all")
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"whole|size"):
        Features(tmp_path)
