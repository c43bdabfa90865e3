"""Which parts go together is known from what they declare, the user's own included."""

from pathlib import Path

import pytest

from pipeline.compose import matrix
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput, Problem

MODEL = "_target_: pipeline.models.checkpoint.Checkpoint\ncheckpoint: a/b\n"
RATE = "learning_rate: 1e-3\n"
FILES = ["data=files", "data.train=a.csv"]


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user's own options."""
    monkeypatch.chdir(tmp_path)
    for group in ("model", "task", "strategy"):
        (tmp_path / "conf" / group).mkdir(parents=True)
    return tmp_path / "conf"


def problems(*overrides: str) -> list[Problem]:
    with pytest.raises(BadInput) as raised:
        load(compose([*FILES, *overrides]))
    return raised.value.problems


def test_the_first_head_that_both_have_is_used() -> None:
    assert matrix.usable(["seq2seq_lm", "causal_lm"], ["causal_lm", "backbone"]) == ["causal_lm"]
    assert matrix.usable(["a", "b"], ["b", "a"]) == ["a"]
    assert matrix.usable(["a"], []) == []


@pytest.mark.parametrize(
    ("task", "model", "strategy", "expected"),
    [
        (["a"], ["a"], None, True),
        (["a"], ["b"], None, False),
        (["a"], ["a"], ["b"], False),
        # The better head is used, and the strategy has nothing to train in it.
        (["a", "b"], ["a", "b"], ["b"], False),
        (["a", "b"], ["b"], ["b"], True),
        # What is unknown is allowed.
        (["a"], None, None, True),
        (["a", "b"], None, ["b"], True),
        (["a"], None, ["b"], False),
        (None, ["a"], ["a"], True),
        (None, None, ["a"], True),
    ],
)
def test_what_goes_together(
    task: matrix.Heads, model: matrix.Heads, strategy: matrix.Heads, expected: bool
) -> None:
    assert matrix.fits(task, model, strategy) == expected


def test_a_model_without_the_head_names_those_that_have_it(conf: Path) -> None:
    (problem,) = problems("model=marian_en_de", "task=text_classification")
    assert problem.where == "model"
    assert problem.what == "model=marian_en_de has no head for task=text_classification"
    models, tasks = problem.allowed.split("; ")
    assert models.startswith("models that can: ") and "bert" in models.split(", ")
    assert "marian" not in models
    assert "text_classification" not in tasks


def test_a_strategy_with_nothing_to_train_names_those_that_have(conf: Path) -> None:
    (problem,) = problems("task=causal_lm", "model=gpt2", "strategy=frozen_backbone")
    assert problem.where == "strategy"
    assert problem.what == "strategy=frozen_backbone has nothing to train for task=causal_lm with model=gpt2"
    able = "adapters, bias_only, full, ia3, last_layers, lora, norm_only, prefix_tuning, prompt_tuning, qlora"
    assert problem.allowed == f"strategies that can: {able}"


def test_nothing_is_loaded_to_know(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.models.checkpoint.locate", lambda *_, **__: pytest.fail("fetched"))
    assert problems("model=xlnet_base", "task=causal_lm")


def test_heads_of_the_users_own(conf: Path) -> None:
    (conf / "model" / "mine.yaml").write_text(f"# Mine.\n{MODEL}heads: [causal_lm]\n")
    (conf / "model" / "silent.yaml").write_text(f"# Says nothing.\n{MODEL}")
    (conf / "model" / "broken.yaml").write_text("# Broken.\n_target_: [")
    (conf / "model" / "untrusted.yaml").write_text("# No.\n_target_: os.path.join\n")
    (conf / "model" / "derived.yaml").write_text("# Built on another.\ndefaults: [bert]\ncheckpoint: c/d\n")
    declared = matrix.declared("model")
    assert declared["mine"] == ["causal_lm"]
    assert declared["silent"] is None
    assert declared["derived"] == declared["bert"]
    assert not {"broken", "untrusted"} & set(declared)
    (problem,) = problems("model=mine", "task=text_classification")
    allowed = problem.allowed.split("; ")[0].removeprefix("models that can: ").split(", ")
    assert "silent" in allowed and "derived" in allowed and "mine" not in allowed
    assert load(compose([*FILES, "model=silent"])).model.heads is None


def test_a_strategy_of_the_users_own_takes_part(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRATUNE_TRUST", "matrix_parts")
    monkeypatch.syspath_prepend(conf.parent)
    (conf.parent / "matrix_parts.py").write_text(
        "from pipeline.component import component\n"
        "from pipeline.strategies.base import Strategy\n\n\n"
        "@component\nclass Silent(Strategy):\n    learning_rate: float = 1e-3\n\n\n"
        "@component\nclass Words(Silent):\n    heads = ('causal_lm',)\n"
    )
    (conf / "strategy" / "silent.yaml").write_text(f"# Any.\n_target_: matrix_parts.Silent\n{RATE}")
    (conf / "strategy" / "words.yaml").write_text(f"# Words.\n_target_: matrix_parts.Words\n{RATE}")
    (problem,) = problems("strategy=words", "model=bert")
    assert problem.what.startswith("strategy=words has nothing to train")
    able = problem.allowed.removeprefix("strategies that can: ").split(", ")
    assert {"frozen_backbone", "full", "lora", "silent"} <= set(able) and "words" not in able
    assert load(compose([*FILES, "strategy=words", "model=gpt2", "task=causal_lm"]))


def test_a_run_that_was_frozen_is_not_asked_again(conf: Path) -> None:
    assert load(compose([*FILES, "model=marian_en_de", "task=text_classification"]), frozen=True)


def test_the_table_has_every_task(conf: Path) -> None:
    header, *rows = matrix.table()
    assert header == ["task", "models", "strategies"]
    assert {row[0] for row in rows} == set(matrix.declared("task"))
    by_task = {row[0]: row for row in rows}
    assert "xlnet_base" in by_task["text_classification"][1].split(", ")
    able = {task: row[2].split(", ") for task, row in by_task.items()}
    assert {"frozen_backbone", "full", "lora", "prompt_tuning"} <= set(able["text_classification"])
    assert "frozen_backbone" not in able["causal_lm"] and "prefix_tuning" in able["causal_lm"]
    assert not {"prefix_tuning", "prompt_tuning"} & set(able["masked_lm"])
