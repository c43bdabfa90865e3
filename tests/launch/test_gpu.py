"""On a GPU a run learns, is scored, stops and goes on as on a CPU, whatever the task and the precision."""

import csv
import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline import Run
from pipeline.launch.hardware import Hardware
from pipeline.launch.machine import look
from pipeline.launch.speed import matrix_rate
from pipeline.models.heads import AUTO_CLASSES, heads_of
from tests.conftest import LEARNING, small_keys
from tests.launch.test_resume import KEYS as CUT_KEYS
from tests.launch.test_resume import outcome, start, wait_for
from tests.models import families
from tests.test_matrix import NEEDED, PRETRAINED, QUICK, SAMPLES, TASKS

# "cpu" runs the same tests where there is no GPU, to see whether the tests themselves are right.
DEVICE = "gpu"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "gpu" and not torch.cuda.is_available(), reason="torch sees no GPU here"),
]
ON_DEVICE = [f"hardware={DEVICE}", "hardware.threads=1"]
ON_CPU = ["hardware=cpu", "hardware.threads=1", "hardware.precision=32"]
# Without dropout nothing differs between two machines but the order of sums.
SAME = [
    "strategy=full",
    "model.dropout=0.0",
    "trainer.batch_size=16",
    "trainer.max_epochs=2",
    "trainer.log_every=1",
]

# A family for every task: each kind of model, each kind of attention mask.
FAMILY = {
    "text_classification": "bert",
    "regression": "modernbert",
    "token_classification": "deberta",
    "question_answering": "roberta",
    "multiple_choice": "electra",
    "masked_lm": "distilbert",
    "sentence_embedding": "xlnet",
    "causal_lm": "llama",
    "instruction_tuning": "qwen3",
    "code_generation": "gpt2",
    "summarization": "bart",
    "translation": "marian",
    "text_to_text": "t5",
}
# What a task does only when it is asked to.
MORE = [
    ("text_classification", "bert", ["data.augmentation.mixup=0.4"]),
    ("masked_lm", "bert", ["task.next_sentence=true"]),
    ("masked_lm", "modernbert", ["task.whole_words=true"]),
    ("causal_lm", "gpt2", ["task.packing=false"]),
    ("instruction_tuning", "gemma3", ["strategy=lora", "strategy.modules=[q_proj,v_proj]"]),
    ("text_to_text", "llama", ["task.generation.num_beams=2", "hardware.micro_batch=4"]),
    ("summarization", "flan_t5", ["hardware.workers=2"]),
    ("causal_lm", "llama", ["hardware.recompute=offload"]),
    ("text_classification", "bert", ["strategy=lora", "hardware.recompute=offload"]),
]
# Half precision ends above 65,504: losses are scaled, and steps that overflow are left out.
HALF = [("text_classification", "bert", []), ("summarization", "bart", []), ("causal_lm", "llama", [])]
RUNS = [
    pytest.param(task, family, precision, more, id="-".join([task, family, precision, *more]))
    for precision, runs in (
        ("32", [(task, family, []) for task, family in FAMILY.items()] + MORE),
        ("bf16", [(task, family, []) for task, family in FAMILY.items()] + MORE),
        ("16", HALF if DEVICE == "gpu" else []),
    )
    for task, family, more in runs
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of random models is kept."""
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Run]:
    """``train("key=value", …)``: a run in this process, on the device unless the keys say otherwise."""

    def run(*keys: str) -> Run:
        return Run.train([*ON_DEVICE, "logger=csv", f"paths.outputs={tmp_path / 'outputs'}", *keys])

    return run


@pytest.fixture
def reviewing(tiny_bert: Path, reviews: Path) -> list[str]:
    """A small classifier of made-up reviews, without a word of where it is to run."""
    return [key for key in small_keys(tiny_bert, reviews) if not key.startswith("hardware")]


def machine_of(run: Run) -> dict[str, Any]:
    return yaml.safe_load((run.folder / "resolved.yaml").read_text())


def logged(run: Run) -> dict[tuple[str, str], float]:
    """Losses of every step, by step and name."""
    with (run.folder / "logs/csv/metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["name"].endswith("loss")]
    return {(row["step"], row["name"]): float(row["value"]) for row in rows}


def scores_of(run: Run) -> dict[str, float]:
    """What it wrote of its validation and test data."""
    return {name: value for name, value in run.metrics.items() if name.startswith(("val/", "test/"))}


def trained_weights(run: Run) -> dict[str, torch.Tensor]:
    return torch.load(run.folder / "checkpoints/last.ckpt", map_location="cpu", weights_only=True)[
        "state_dict"
    ]


def allocations() -> int:
    """How often memory of the GPU was asked for."""
    return torch.cuda.memory_stats().get("allocation.all.allocated", 0) if torch.cuda.is_initialized() else 0


@pytest.mark.parametrize("precision", ["auto", "16"])
def test_learns_on_the_device(train: Callable[..., Run], reviewing: list[str], precision: str) -> None:
    before = allocations()
    run = train(*reviewing, *LEARNING, f"hardware.precision={precision if DEVICE == 'gpu' else 'auto'}")
    assert run.metrics["test/accuracy"] > 0.8, "the made-up reviews are easy"
    assert run.metrics["reload_difference"] < 1e-3
    assert machine_of(run)["accelerator"] == DEVICE
    if DEVICE == "gpu":
        assert allocations() > before, "nothing was computed there"
        chosen = "bf16" if torch.cuda.get_device_capability()[0] >= 8 else "32"
        assert machine_of(run)["precision"] == (chosen if precision == "auto" else precision)


def test_the_plan_knows_the_device_and_how_fast_it_is(reviewing: list[str]) -> None:
    lines = Run.plan([*reviewing, *ON_DEVICE, "hardware.precision=32"])
    assert lines["machine"].startswith(f"1 × {DEVICE}")
    machine = look(Hardware(accelerator=DEVICE, devices=1, precision="32", threads=1))
    assert matrix_rate(machine) > 1e9


def test_float32_takes_the_steps_of_a_cpu(train: Callable[..., Run], reviewing: list[str]) -> None:
    here, there = (train(*reviewing, *SAME, *where) for where in (["hardware.precision=32"], ON_CPU))
    assert (machine_of(here)["accelerator"], machine_of(there)["accelerator"]) == (DEVICE, "cpu")
    expected = logged(there)
    assert len(expected) > 20
    assert logged(here) == pytest.approx(expected, abs=1e-3)
    # Each is scored where the other was trained.
    for run, elsewhere in ((here, ON_CPU), (there, [*ON_DEVICE, "hardware.precision=32"])):
        assert run.evaluate(elsewhere) == pytest.approx(scores_of(run), abs=1e-3)


def test_half_of_the_bits_score_as_all_of_them(train: Callable[..., Run], reviewing: list[str]) -> None:
    run = train(*reviewing, *LEARNING, "hardware.precision=bf16")
    full, half = run.evaluate(ON_CPU), run.evaluate([*ON_DEVICE, "hardware.precision=bf16"])
    assert half == pytest.approx(scores_of(run), abs=1e-3), "the precision that training evaluates in"
    assert full["test/loss"] == pytest.approx(half["test/loss"], abs=0.05)
    assert full["test/accuracy"] == pytest.approx(half["test/accuracy"], abs=0.05)


def test_accumulated_batches_are_one_batch(train: Callable[..., Run], reviewing: list[str]) -> None:
    keys = [*reviewing, *SAME, "hardware.precision=32"]
    one = train(*keys)
    cut = train(
        *keys,
        "hardware=ddp",
        "hardware.devices=1",
        f"hardware.accelerator={DEVICE}",
        "hardware.micro_batch=3",
    )
    assert machine_of(cut) == {**machine_of(one), "micro_batch": 3}
    assert logged(cut) == pytest.approx(logged(one), abs=1e-4)


@pytest.mark.parametrize(("precision", "how"), [("32", signal.SIGKILL), ("bf16", signal.SIGTERM)])
def test_cut_off_and_resumed_it_ends_as_if_it_had_not_been(
    train: Callable[..., Run], reviewing: list[str], tmp_path: Path, precision: str, how: signal.Signals
) -> None:
    # Long enough to be still under way when the signal comes.
    keys = [*reviewing, *ON_DEVICE, *CUT_KEYS, "trainer.max_epochs=12", f"hardware.precision={precision}"]
    cut = tmp_path / "cut"
    cut.mkdir()
    process = start(cut, keys)
    wait_for(lambda: list(cut.glob("outputs/*/*/*/checkpoints/last.ckpt")), process)
    process.send_signal(how)
    assert process.wait(60) == (75 if how == signal.SIGTERM else -how)
    (file,) = cut.glob("outputs/*/*/*/checkpoints/last.ckpt")
    at = torch.load(file, map_location="cpu", weights_only=True)["global_step"]
    assert at % 12, "it was not inside an epoch"
    resumed, whole = Run(file.parents[1]).resume(), train(*keys)
    assert resumed.manifest["starts"] == 2
    expected = trained_weights(whole)
    for name, value in trained_weights(resumed).items():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=0.0, msg=f"{name}, cut at {at}")
    assert outcome(resumed.folder) == outcome(whole.folder), "the weights are alike, but not to the bit"


def auto_class(family: str) -> str:
    """The class that a checkpoint of the family lies on a hub with."""
    heads = heads_of(families.config(family))
    return AUTO_CLASSES[next(head for head in PRETRAINED if head in heads)]


def questions(task: str) -> list[dict[str, Any]]:
    """Rows to predict."""
    rows = [json.loads(line) for line in (SAMPLES / f"{task}.jsonl").open()][:5]
    if task == "masked_lm":
        return [{"text": row["text"].replace(" ", " [MASK] ", 1)} for row in rows]
    return rows


def test_every_task_is_tried() -> None:
    assert FAMILY.keys() == TASKS.keys()


@pytest.mark.parametrize(("task", "family", "precision", "more"), RUNS)
def test_every_task_from_end_to_end(
    train: Callable[..., Run], tmp_path: Path, task: str, family: str, precision: str, more: list[str]
) -> None:
    """Two steps, validation, test, the proof that what was saved is what was trained, scores elsewhere, predictions."""
    folder = tmp_path / "checkpoint"
    families.with_head(family, auto_class(family), folder)
    writes = "generation" in yaml.safe_load((SAMPLES.parents[2] / f"conf/task/{task}.yaml").read_text())
    run = train(
        f"task={task}",
        "strategy=full",
        "model=auto",
        f"model.checkpoint={folder}",
        "data=files",
        f"data.train={SAMPLES / f'{task}.jsonl'}",
        "data.audit=off",  # Few words are known to these tokenizers.
        "trainer.max_steps=2",
        f"hardware.precision={precision}",
        *([QUICK] if writes else []),
        *NEEDED.get(task, []),
        *more,
    )
    machine = machine_of(run)
    assert (machine["accelerator"], machine["precision"]) == (DEVICE, precision)
    assert run.state == "finished" and run.metrics["reload_difference"] < 1e-3
    scores = scores_of(run)
    assert math.isfinite(scores["test/loss"]) and math.isfinite(scores["val/loss"])

    elsewhere = run.evaluate(ON_CPU)
    assert elsewhere.keys() == scores.keys()
    if precision == "32":
        assert elsewhere == pytest.approx(scores, abs=1e-3, rel=1e-3)
    else:
        assert elsewhere["test/loss"] == pytest.approx(scores["test/loss"], rel=0.05, abs=0.05)

    asked = questions(task)
    said = run.predict(asked)
    assert len(said) == len(asked) and not any("error" in answer for answer in said)
    json.dumps(said, allow_nan=False)
    assert said == Run(run.folder).predict(asked), "asked twice"


def test_what_is_drawn_is_drawn_again(train: Callable[..., Run], tmp_path: Path) -> None:
    """Texts that are written by chance follow from prompts and seed, and leave training's random numbers alone."""
    families.with_head("llama", "AutoModelForCausalLM", tmp_path / "checkpoint")
    keys = ["task=text_to_text", "strategy=full", "model=auto", f"model.checkpoint={tmp_path / 'checkpoint'}"]
    keys += ["data=files", f"data.train={SAMPLES / 'text_to_text.jsonl'}", "trainer.max_epochs=2"]
    keys += ["trainer.batch_size=8", "trainer.log_every=1", "trainer.monitor=val/loss", QUICK]
    drawn = [*keys, "task.generation.do_sample=true", "task.generation.top_p=0.9", "hardware.precision=32"]
    run, again = train(*drawn), train(*drawn)
    assert scores_of(run) == scores_of(again)
    assert run.predict(questions("text_to_text")) == again.predict(questions("text_to_text"))
    plain = train(*keys, "hardware.precision=32")
    assert logged(plain) == logged(run), "drawing does not change what is learned"


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_what_is_not_trained_is_scored_there_too(
    train: Callable[..., Run], tmp_path: Path, family: str
) -> None:
    """Labels that a model knows by their embeddings, and by how likely they are after a text."""
    folder = families.with_head(family, auto_class(family), tmp_path / "checkpoint")
    keys = ["train=false", "model=auto", f"model.checkpoint={folder}", "data=files", "hardware.precision=32"]
    run = train(*keys, f"data.test={SAMPLES / 'text_classification.jsonl'}", "data.audit=off")
    assert run.evaluate(ON_CPU) == pytest.approx(scores_of(run), abs=1e-3)
    assert len(run.predict(questions("text_classification"))) == 5
