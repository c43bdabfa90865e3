"""Pooling over either side of padding, and what a checkpoint or its kind says of it."""

import json
from pathlib import Path

import pytest
import torch

from pipeline.models.checkpoint import Checkpoint
from pipeline.tasks.embedding.pooling import embed, pool, usual_pooling
from tests.models import families

HIDDEN = torch.tensor([[[1.0, 0], [0, 2], [9, 9]], [[9, 9], [9, 9], [3, 4]]])
MASK = torch.tensor([[1, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("how", "expected"),
    [("mean", [0.5, 1.0]), ("cls", [1.0, 0.0]), ("last", [0.0, 2.0])],
)
def test_padding_counts_for_nothing(how: str, expected: list[float]) -> None:
    found = pool(HIDDEN, MASK, how)  # type: ignore[arg-type]
    wanted = torch.nn.functional.normalize(torch.tensor([expected, [3.0, 4.0]]), dim=-1)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("how", ["mean", "cls", "last"])
@pytest.mark.parametrize("family", ["bert", "llama", "gpt2"])
def test_a_text_has_the_same_vector_beside_longer_ones(family: str, how: str, tmp_path: Path) -> None:
    folder = families.pretrained(family, tmp_path)
    checkpoint = Checkpoint(checkpoint=folder)
    model, _ = checkpoint.build(folder, ("backbone",), checkpoint.config(folder))
    batch = families.batch()
    with torch.inference_mode():
        together = embed(model, batch, how)  # type: ignore[arg-type]
        for row, length in enumerate(batch["attention_mask"].sum(1).tolist()):
            alone = {name: value[row : row + 1, :length] for name, value in batch.items()}
            torch.testing.assert_close(embed(model, alone, how)[0], together[row], atol=1e-5, rtol=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("bert", "mean"),
        ("modernbert", "mean"),
        ("xlnet", "mean"),
        ("t5", "mean"),
        ("gpt2", "last"),
        ("llama", "last"),
    ],
)
def test_the_usual_way_is_that_of_the_kind(family: str, expected: str, tmp_path: Path) -> None:
    folder = families.pretrained(family, tmp_path)
    assert usual_pooling(Checkpoint(checkpoint=folder).config(folder)) == expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode_max_tokens": True}, "mean"),  # which is not known here
    ],
)
def test_a_checkpoint_may_say_it(stated: dict, expected: str, tmp_path: Path) -> None:
    folder = families.pretrained("bert", tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps(stated))
    assert usual_pooling(Checkpoint(checkpoint=folder).config(folder)) == expected
