"""Numbers in the sentences of docs/scale.md; those of its tables are generated."""

import importlib.util
import re
from typing import Any

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs/scale.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def numbers() -> Any:
    spec = importlib.util.spec_from_file_location("scale_numbers", ROOT / "docs/scale_numbers.py")
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_what_sentences_say(numbers: Any):
    weights = 4 * numbers.LLAMA_8B.total
    kept = numbers.memory(numbers.LLAMA_8B, numbers.cut(), language=True).activations
    plain = numbers.memory(numbers.LLAMA_8B, numbers.cut()).activations
    for said in (
        f"float32: {weights / numbers.GB:.0f} GB for 8 billion",
        f"{(kept - plain) / numbers.GB:.1f} GB of them are logits",
        f"about {numbers.TOKENS / numbers.GB:.0f} billion tokens, at {numbers.CHARACTERS} characters each",
        f"three times the\nweights, {3 * weights / numbers.GB:.0f} GB",
        f"{numbers.MINILM.total / 1e6:.1f} million parameters",
        f"{numbers.FLOPS / 1e12:.0f} TFLOP/s",
    ):
        assert said in PAGE, said
    assert numbers.SHARE == 0.5 and "at half of its data sheet's" in PAGE
    writing = 3 * weights / numbers.GB  # seconds at 1 GB/s
    assert writing / (5 * 60) == pytest.approx(1 / 3, abs=0.03)


def test_the_command_is_that_of_the_table(numbers: Any):
    split = numbers.cut(rows=4)
    steps = numbers.TOKENS / (4 * split.tokens * numbers.GPUS)
    given = dict(re.findall(r"(trainer\.\w+|hardware\.\w+)=(\S+)", PAGE[PAGE.index("s3://texts") :]))
    assert int(given["trainer.max_steps"]) == round(steps)
    assert int(given["trainer.batch_size"]) == 4 * numbers.GPUS
    assert int(given["hardware.devices"]) * int(given["hardware.nodes"]) == numbers.GPUS
    assert int(given["hardware.micro_batch"]) == 4


def test_halving_ends_where_trials_are_whole(numbers: Any):
    # By hand: 10,000 of 1 pass, 3,333 of 2 more, 1,111 of 6 more, 370 of 1 more.
    assert numbers.halving_passes() == 10_000 + 3_333 * 2 + 1_111 * 6 + 370 * 1
