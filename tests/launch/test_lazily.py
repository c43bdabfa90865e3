"""When rows of an embedding are updated as they are read, and what is said where they cannot be."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pipeline import Run
from pipeline.launch.lazily import read_lazily
from tests.specs import spec_of

ASKED = "optimizer.lazy_embedding=true"


def chosen(
    words: list[str], tokens: int = 100, world: int = 1, accelerator: str = "cpu", width: int = 4_000
) -> nn.Embedding | None:
    """Of a model with 1,000 rows, in 10 steps over ``tokens``."""
    model = nn.ModuleDict({"words": nn.Embedding(1_000, width, device="meta"), "head": nn.Linear(2, 2)})
    machine = SimpleNamespace(world_size=world, accelerator=accelerator)
    schedule = SimpleNamespace(tokens=tokens, total_steps=10)
    return read_lazily(spec_of(["logger=none", *words]), model, machine, schedule)


def test_where_steps_read_few_rows(capsys: pytest.CaptureFixture) -> None:
    assert chosen([]) is not None
    assert chosen([], tokens=1_300) is None  # 130 of 1,000 in a step
    assert chosen([ASKED], tokens=1_300) is not None
    assert chosen([], width=3_999) is None
    assert chosen([ASKED], width=3_999) is not None
    assert chosen([], accelerator="gpu") is None
    assert chosen([ASKED], accelerator="gpu") is not None
    for words in (["optimizer.lazy_embedding=false"], ["optimizer=sgd"], ["train=false"]):
        assert chosen(words) is None
    assert chosen(["callbacks=ema"]) is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        ([], {"world": 2}, "several processes"),
        (["callbacks=ema"], {}, "an average of the weights"),
        ([], {"accelerator": "mps"}, "not on mps"),
        (["optimizer.betas=[0.99,0.9]"], {}, "momentum does not fade"),
    ],
)
def test_says_why_not(words: list[str], given: dict, said: str, capsys: pytest.CaptureFixture) -> None:
    assert chosen([ASKED, *words], **given) is None
    said_it = capsys.readouterr().err
    assert said_it.startswith("optimizer.lazy_embedding: off, ") and said in said_it


@pytest.mark.slow
def test_a_run_ends_as_one_that_updates_all_rows(small: list[str], tmp_path: Path) -> None:
    """With accumulation, clipping and validation within epochs."""
    words = [
        *small,
        "strategy=full",
        "trainer.max_epochs=2",
        "hardware.micro_batch=4",
        "trainer.evaluate_every=5",
    ]
    words += ["model.dropout=0", "hardware.precision=32"]
    scores, weights = [], []
    for asked in ("false", "true"):
        outputs = f"paths.outputs={tmp_path / asked}"
        run = Run.train([*words, f"optimizer.lazy_embedding={asked}", outputs]).folder
        scores.append(json.loads((run / "metrics.json").read_text()))
        kept = torch.load(run / "checkpoints/best.ckpt", map_location="cpu", weights_only=True)
        weights.append(kept["state_dict"])
    for name in ("val/loss", "test/loss"):
        assert scores[1][name] == pytest.approx(scores[0][name], rel=1e-4)
    words_of = "model.bert.embeddings.word_embeddings.weight"
    apart = (weights[1].pop(words_of) - weights[0].pop(words_of)).abs()
    torch.testing.assert_close(weights[1], weights[0], rtol=0, atol=2e-5)
    # Where gradients are about as small as eps, it counts how that fades.
    assert (apart > 2e-5).float().mean() < 1e-3 and apart.max() < 1e-3
