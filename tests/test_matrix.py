"""Every task × family × strategy that the matrix allows trains, is saved and comes back; the rest is refused by name.

Small random models of each architecture, as they lie on a hub: with the head that they were pretrained with.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import yaml

from pipeline import Run
from pipeline.compose import matrix
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import RunSpec, load
from pipeline.data.prepare import load_splits, prepare
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.heads import AUTO_CLASSES, heads_of
from pipeline.models.loading import quiet
from pipeline.runs.verification import outputs
from pipeline.strategies.base import Strategy, trained_keys
from tests.models import families
from tests.models.families import EVERYWHERE, FAMILIES

CONF = Path(__file__).parents[1] / "conf"
SAMPLES = Path(__file__).parent / "tasks" / "samples"
TASKS = {
    name: heads for name, heads in matrix.declared("task").items() if (CONF / f"task/{name}.yaml").exists()
}
STRATEGIES = matrix.declared("strategy")
MODELS = matrix.declared("model")
# What a model was trained to do before anyone tunes it.
PRETRAINED = ("pretraining", "masked_lm", "seq2seq_lm", "causal_lm", "backbone")
# What a task cannot do without, as these models have no chat template.
NEEDED = {"instruction_tuning": ["task.template=plain"]}
# Learned tokens are not put in front of packed documents.
UNPACKED = {"causal_lm": ["task.packing=false"]}
# What makes generation quick, where a task generates.
QUICK = "task.generation.max_new_tokens=2"

# Of the other strategies one combination for each kind of head, each on another architecture. qlora wants a GPU.
ONCE = {
    "text_classification": {
        "adapters": "deberta", "bias_only": "roberta", "ia3": "qwen3", "last_layers": "gpt2",
        "norm_only": "modernbert", "prefix_tuning": "mistral", "prompt_tuning": "electra",
    },
    "token_classification": {
        "adapters": "qwen3", "bias_only": "gpt2", "last_layers": "modernbert", "norm_only": "t5",
        "prefix_tuning": "bert",
    },
    "question_answering": {
        "adapters": "bart", "ia3": "llama", "last_layers": "bert", "norm_only": "distilbert",
        "prefix_tuning": "roberta",
    },
    "multiple_choice": {
        "adapters": "xlnet", "bias_only": "electra", "ia3": "bert", "last_layers": "deberta",
        "norm_only": "distilbert",
    },
    "masked_lm": {
        "adapters": "modernbert", "bias_only": "bert", "ia3": "deberta", "last_layers": "roberta",
        "norm_only": "roberta",
    },
    "causal_lm": {
        "adapters": "gemma3", "bias_only": "gpt2", "ia3": "gpt2", "last_layers": "gemma3", "norm_only": "llama",
        "prefix_tuning": "qwen3", "prompt_tuning": "gpt2",
    },
    "translation": {
        "adapters": "marian", "bias_only": "bart", "ia3": "t5", "last_layers": "t5", "norm_only": "flan_t5",
        "prefix_tuning": "marian", "prompt_tuning": "flan_t5",
    },
    "instruction_tuning": {"prefix_tuning": "gpt2", "prompt_tuning": "llama"},
    "sentence_embedding": {"bias_only": "distilbert", "ia3": "bert", "last_layers": "llama", "norm_only": "mistral"},
}  # fmt: skip

COMBINATIONS = list(itertools.product(TASKS, FAMILIES, EVERYWHERE))
ALLOWED = [
    (t, f, s) for t, f, s in COMBINATIONS if matrix.fits(TASKS[t], MODELS[FAMILIES[f].option], STRATEGIES[s])
]
CHOSEN = [(t, family, strategy) for t, chosen in ONCE.items() for strategy, family in chosen.items()]
REFUSED = [combination for combination in COMBINATIONS if combination not in ALLOWED]


def each(combinations: list[tuple[str, str, str]]) -> Any:
    parameters = [pytest.param(*combination, id="-".join(combination)) for combination in combinations]
    return pytest.mark.parametrize(("task", "family", "strategy"), parameters)


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of random models is kept, and what is encoded for a family serves all strategies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRATUNE_CACHE", str(tmp_path_factory.mktemp("cache")))
        # Options do not change here, and every refusal looks at all of them.
        patch.setattr(matrix, "declared", cache(matrix.declared))
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def folder_of(family: str) -> str:
        head = next(head for head in PRETRAINED if head in heads_of(families.config(family)))
        return families.with_head(family, AUTO_CLASSES[head], tmp_path_factory.mktemp(family))  # type: ignore[index]

    return folder_of


def checked(*overrides: str) -> RunSpec:
    # `model=auto` says nothing of its heads, so anything goes with it.
    return load(compose(["data=files", "model=auto", "model.checkpoint=a/b", *overrides]))


@cache
def with_task(task: str, unpacked: bool) -> RunSpec:
    more = UNPACKED.get(task, []) if unpacked else []
    quick = [QUICK] if "generation" in yaml.safe_load((CONF / "task" / f"{task}.yaml").read_text()) else []
    return checked(
        f"task={task}", f"data.train={SAMPLES / f'{task}.jsonl'}", *quick, *NEEDED.get(task, []), *more
    )


@cache
def strategy_of(name: str) -> Strategy:
    composed = compose(
        ["data=files", "data.train=a.csv", "model=auto", "model.checkpoint=a/b", f"strategy={name}"]
    )
    return load(composed, frozen=True).strategy  # Here qlora may be named where there is no GPU.


def spec_of(task: str, family: str, strategy: str, folder: str) -> RunSpec:
    """A checked configuration with the facts of the family's yaml, and a small model in place of its checkpoint."""
    option = FAMILIES[family].option
    values = yaml.safe_load((CONF / "model" / f"{option}.yaml").read_text())
    del values["_target_"]
    model = Checkpoint(**{**values, "checkpoint": folder, "sha256": None})
    adapting = strategy_of(strategy)
    spec = with_task(task, unpacked=adapting.virtual_tokens > 0)
    if strategy == "lora":
        adapting = dataclasses.replace(adapting, modules=model.lora_modules)  # type: ignore[call-arg]
    choices = {**spec.choices, "model": option, "strategy": strategy}
    return dataclasses.replace(spec, model=model, strategy=adapting, choices=choices)


def test_every_task_has_samples() -> None:
    assert {file.stem for file in SAMPLES.glob("*.jsonl")} >= set(TASKS)
    assert all(TASKS.values()), "a shipped task names its heads"


def test_every_strategy_is_tried_with_every_kind_of_head() -> None:
    others = STRATEGIES.keys() - {*EVERYWHERE, "qlora"}
    kinds = {head for heads in TASKS.values() for head in heads or ()} - {"pretraining", "text_encoding"}
    tried: dict[str, set[str]] = {name: set() for name in others}
    for task, family, strategy in CHOSEN:
        (head,) = matrix.usable(TASKS[task], MODELS[FAMILIES[family].option]) or ()
        tried[strategy].add(head)
    for name in others:
        missing = {head for head in kinds if STRATEGIES[name] is None or head in STRATEGIES[name]} - tried[
            name
        ]
        # The spans and tags of those that train vectors of every layer are as their classes.
        assert missing <= {"token_classification", "question_answering"}, name


@each([*ALLOWED, *CHOSEN])
def test_allowed(task: str, family: str, strategy: str, folders: Any, tmp_path: Path) -> None:
    spec = spec_of(task, family, strategy, folders(family))
    assert not list(matrix.problems(spec))
    prepared = prepare(task=spec.task, checkpoint=spec.model, source=spec.data, strategy=spec.strategy)
    folder, head = prepared.checkpoint["folder"], prepared.head
    tokenizer = spec.model.tokenizer(folder)
    rows = list(
        load_splits(prepared.folder, "encoded")["train"].take(4)
    )  # where short texts are packed, there are fewer
    batch = spec.task.collate(rows, tokenizer)

    torch.manual_seed(0)
    model: Any = spec.strategy.adapt(spec.task.load(spec.model, folder, head)[0])
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == prepared.trainable > 0
    before = {name: value.clone() for name, value in model.state_dict().items()}
    spec.strategy.train_mode(model)
    optimizer = torch.optim.AdamW(spec.strategy.parameter_groups(model, 0.01), lr=1e-2)
    for _ in range(2):
        output = spec.task.loss(model, batch)
        assert output.loss.isfinite() and output.weight > 0
        (output.loss / output.weight).backward()
        optimizer.step()
        optimizer.zero_grad()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and changed <= trained_keys(model)

    model.eval()
    with torch.inference_mode():
        assert spec.task.score(model, batch).loss.isfinite()
    inputs = spec.task.forward_inputs(batch)
    expected = outputs(model, inputs)
    spec.strategy.save(model, str(tmp_path / "adapter"))
    with quiet():
        merged: Any = spec.strategy.merge(model)
        merged.save_pretrained(tmp_path)
        auto = getattr(transformers, spec.model.auto_class(merged.config, spec.task.heads_for(head)))
        again, info = auto.from_pretrained(tmp_path, dtype=torch.float32, output_loading_info=True)
        if not spec.strategy.mergeable:
            again = spec.strategy.load(again, str(tmp_path / "adapter"))
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    found = outputs(again, inputs)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-3, rtol=0.0, msg=f"{name} differs")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "family"),
    [
        ("question_answering", "llama"),
        ("sentence_embedding", "t5"),
        ("translation", "marian"),
        ("masked_lm", "bart"),
    ],
)
def test_whole_runs_of_the_odd_ones_verify_themselves(
    task: str, family: str, folders: Any, tmp_path: Path
) -> None:
    """Those whose saved form is not what transformers would make by itself, in a process that knows nothing of us."""
    spec = spec_of(task, family, "lora", folders(family))
    run = Run.train(
        [
            f"task={task}",
            "strategy=lora",
            f"strategy.modules=[{','.join(spec.model.lora_modules)}]",
            "model=auto",
            f"model.checkpoint={spec.model.checkpoint}",
            "data=files",
            f"data.train={SAMPLES / f'{task}.jsonl'}",
            "trainer.max_steps=2",
            "hardware=cpu",
            "hardware.threads=1",
            "logger=none",
            f"paths.outputs={tmp_path}",
        ]
    )
    assert run.metrics["reload_difference"] < 1e-3


@each(REFUSED)
def test_refused(task: str, family: str, strategy: str) -> None:
    spec = spec_of(task, family, strategy, "a/b")
    (problem,) = matrix.problems(spec)
    if matrix.fits(TASKS[task], MODELS[FAMILIES[family].option]):
        assert f"strategy={strategy} has nothing to train for task={task}" in problem.what
        able = problem.allowed.removeprefix("strategies that can: ").split(", ")
        assert {"full", "lora"} <= set(able) and strategy not in able
    else:
        assert problem.what == f"model={FAMILIES[family].option} has no head for task={task}"
        assert problem.allowed.startswith("models that can: ")


def test_the_other_strategies_are_refused_where_they_have_nothing_to_train() -> None:
    for task, family, strategy in itertools.product(
        TASKS, ("bert", "llama", "bart"), STRATEGIES.keys() - EVERYWHERE
    ):
        model = MODELS[FAMILIES[family].option]
        found = list(matrix.problems(spec_of(task, family, strategy, "a/b")))
        assert bool(found) != matrix.fits(TASKS[task], model, STRATEGIES[strategy])
        if matrix.fits(TASKS[task], model) and found:
            assert f"strategy={strategy} has nothing to train for task={task}" in found[0].what


def test_a_refused_combination_is_refused_where_it_is_composed() -> None:
    with pytest.raises(BadInput) as raised:
        load(compose(["model=marian_en_de", "task=text_classification", "strategy=frozen_backbone"]))
    (problem,) = raised.value.problems
    assert problem.what == "model=marian_en_de has no head for task=text_classification"
    assert "bert_base" in problem.allowed and "t5_small" in problem.allowed


@pytest.mark.parametrize(
    ("task", "family"), [(task, next(f for t, f, s in ALLOWED if (t, s) == (task, "lora"))) for task in TASKS]
)
def test_lora_can_begin_with_what_a_model_reads_in_every_task(task: str, family: str, folders: Any) -> None:
    spec = spec_of(task, family, "lora", folders(family))
    strategy: Any = dataclasses.replace(spec.strategy, init="eva", r=2)  # type: ignore[call-arg]
    prepared = prepare(task=spec.task, checkpoint=spec.model, source=spec.data, strategy=strategy)
    folder = prepared.checkpoint["folder"]
    rows = list(load_splits(prepared.folder, "encoded")["train"].take(8))
    inputs = spec.task.forward_inputs(spec.task.collate(rows, spec.model.tokenizer(folder)))
    model: Any = strategy.adapt(spec.task.load(spec.model, folder, prepared.head)[0])
    strategy.start(model, [inputs])
    directions = [weight for name, weight in model.named_parameters() if ".lora_A." in name]
    assert directions
    for found in directions:
        torch.testing.assert_close(found @ found.T, torch.eye(2), atol=1e-2, rtol=0.0)
