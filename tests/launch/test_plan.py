"""What the plan says, against what PyTorch and PEFT count."""

import json
import re
from pathlib import Path

import pytest

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.launch import plan as planning
from pipeline.launch.machine import Machine
from pipeline.launch.plan import memory
from tests.specs import prepared, spec_of


def test_memory_of_weights_gradients_and_moments(tmp_path: Path):
    (tmp_path / "config.json").write_text(
        json.dumps({"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4})
    )
    facts = prepared(checkpoint={"folder": str(tmp_path)}, total=1_000, trainable=100, longest=10)
    spec = spec_of(["logger=none", "trainer.batch_size=32"])
    need = memory(spec, facts, Machine("gpu", 1, "bf16", None, 1))
    assert (need.weights, need.gradients, need.optimizer) == (4_000, 400, 800)
    # Korthikanti et al. 2022, equation 1, of two layers: s b h (34 + 5 a s / h).
    assert need.activations == 2 * 10 * 32 * 8 * (34 + 5 * 4 * 10 / 8)
    assert need.total == 4_000 + 400 + 800 + need.activations
    assert memory(spec, facts, Machine("cpu", 1, "32", None, 1)).activations == 2 * need.activations
    assert memory(spec, facts, Machine("gpu", 2, "bf16", 4, 1)).activations == need.activations / 8
    cut = memory(spec_of(["logger=none", "hardware=fsdp"]), facts, Machine("gpu", 4, "bf16", 8, 1))
    # A quarter of each, and the two layers at work, gathered in 16 bits.
    assert (cut.weights, cut.optimizer) == (1_000 + 2 * 1_000, 200) and 100 < cut.gradients < 250


def test_the_plan_of_a_run(small: list[str], tmp_path: Path):
    words = [
        *small,
        "strategy=lora",
        "trainer.batch_size=32",
        "hardware.micro_batch=8",
        "trainer.max_epochs=2",
    ]
    plan = Run.plan([*words, f"paths.outputs={tmp_path}"])
    assert "192 train, 24 validation, 24 test" in plan["data"].replace(" rows", "")
    assert plan["steps"].startswith("12 = 2 epochs of 6")
    assert "batch 32 = 1 process × 4 micro-batches × 8 rows; " in plan["steps"]
    assert "1 × cpu, 1 thread, " in plan["machine"]
    with Path(next(word for word in small if word.startswith("data.train="))[11:]).open() as file:
        verdicts = [line.strip().rpartition(",")[2] for line in file]
    counts = {name: int(number) for name, number in (c.split() for c in plan["labels"][3:].split(", "))}
    assert plan["labels"].startswith("2: ") and sum(counts.values()) == 192
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert all(0 < number <= verdicts.count(name) for name, number in counts.items())
    trained, total = (int(text.replace(",", "")) for text in plan["parameters"].split() if text[0].isdigit())
    assert 0 < trained < total
    assert plan["best by"] == "val/accuracy (max)" and plan["source"] == "train: reviews.csv"
    assert "fits" in plan["memory"]
    again = Run.plan([*words, f"paths.outputs={tmp_path}"])
    assert "(cached)" in again["data"]


def test_what_follows_validation_needs_some(small: list[str], tmp_path: Path):
    words = [*small, f"paths.outputs={tmp_path}", "scheduler=plateau", "callbacks.early_stopping.patience=2"]
    assert Run.plan(words)["best by"] == "val/accuracy (max)"
    with pytest.raises(BadInput) as refused:
        Run.plan([*words, "data.split.validation=0"])
    assert [problem.where for problem in refused.value.problems] == [
        "scheduler",
        "callbacks.early_stopping.patience",
    ]
    assert Run.plan([*words, "data.split.validation=0", "train=false"])


def test_a_batch_is_no_larger_than_the_rows_there_are(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    words = [*small, f"paths.outputs={tmp_path}"]
    huge = Run.plan([*words, "trainer.batch_size=100000"])
    assert (
        huge["memory"].split(" in ")[0]
        == Run.plan([*words, "trainer.batch_size=192"])["memory"].split(" in ")[0]
    )
    assert "batch 192 (all there are) = 1 process × 192 rows; " in huge["steps"]
    monkeypatch.setattr(planning, "available_memory", lambda: 2**20)
    assert Run.plan(words)["memory"].endswith(
        "; DOES NOT FIT into the 0.0 GiB free: try a smaller hardware.micro_batch or task.max_length, or "
        "hardware.recompute=true"
    )


def test_a_step_counted_in_tokens(small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = [*small, f"paths.outputs={tmp_path}", "trainer.batch_tokens=600", "trainer.max_epochs=1"]
    whole = Run.plan(words)
    tokens = int(whole["tokens"].split()[0].replace(",", ""))
    assert whole["steps"].startswith(f"{-(-tokens // 600)} = 1 epoch of")
    assert "; batch 600 tokens = 1 process × 600 tokens; " in whole["steps"]
    monkeypatch.setattr(planning, "available_memory", lambda: 2**20)
    cut = Run.plan([*words, "hardware.micro_tokens=200", "hardware.recompute=true"])
    assert "; batch 600 tokens = 1 process × 3 micro-batches × 200 tokens; " in cut["steps"]
    assert cut["memory"].endswith("try a smaller hardware.micro_tokens or task.max_length")


@pytest.mark.parametrize("length", [2, 6])
def test_it_counts_rows_that_are_cut_short(small: list[str], tmp_path: Path, length: int):
    plan = Run.plan([*small, f"task.max_length={length + 2}", f"paths.outputs={tmp_path}"])
    assert "cut short" in plan["tokens"] and f"longest row {length + 2}" in plan["tokens"]


def test_it_names_rates_averages_and_dropout(small: list[str], tmp_path: Path):
    words = [*small, f"paths.outputs={tmp_path}"]
    plain = Run.plan(words)
    assert not {"unfreezing", "no decay", "dropout"} & plain.keys()
    assert plain["rates"] == "others × 1; head × 20"
    told = Run.plan(
        [
            *words,
            "strategy.layer_decay=0.5",
            "strategy.head_rate=4",
            "strategy.no_decay=[word_embeddings]",
            "strategy.unfreeze_every=10",
            "model.dropout=0",
            "callbacks=[default,ema]",
        ]
    )
    # BERT's pooler is not new.
    assert told["rates"] == "embeddings × 0.125; layer 1 × 0.25; layer 2 × 0.5; top × 1; head × 4"
    assert told["no decay"].endswith("bert.embeddings.word_embeddings.weight")
    assert told["unfreezing"].endswith("all of it from step 31 on")
    assert told["dropout"] == "0 everywhere in the model"
    (three, one), (four, best) = (re.findall(r"[\d.]+(?= MiB)", plan["checkpoint"]) for plan in (plain, told))
    assert one == best and float(four) == pytest.approx(float(three) * 4 / 3, abs=0.1)
    lora = Run.plan([*words, "strategy=lora", "strategy.dropout=0.05", "model.dropout=0.2"])
    assert lora["dropout"].endswith("in front of the strategy's updates 0.05 (strategy.dropout)")
    assert lora["rates"] == "others × 1; head × 2"


@pytest.mark.parametrize("option", ["recompute", "compile"])
def test_it_says_where_masks_are_torchs_own(small: list[str], tmp_path: Path, option: str):
    words = [*small, f"paths.outputs={tmp_path}", f"hardware.{option}=true"]
    assert Run.plan(words)["dropout"] == (
        f"torch's own masks: trainer.quick_dropout does not go with hardware.{option}"
    )
    assert "dropout" not in Run.plan([*words, "trainer.quick_dropout=false"])
    assert ("compiled" in Run.plan(words)) == (option == "compile")
    assert ("computed again" in Run.plan(words)) == (option == "recompute")


def test_it_says_what_waits_in_the_cpus_memory(small: list[str], tmp_path: Path):
    words = [*small, f"paths.outputs={tmp_path}", "hardware.recompute=offload"]
    told = Run.plan(words)["computed again"]
    assert told.endswith("hardware.recompute=offload needs a GPU: as true on cpu")
    with pytest.raises(BadInput, match=r"hardware\.recompute.*maybe"):
        Run.plan([*words, "hardware.recompute=maybe"])
