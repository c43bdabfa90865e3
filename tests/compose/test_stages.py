"""A chain of stages is the call composed once for each, and everything that is wrong in any of them is said at once."""

import pytest
import yaml

from pipeline.compose.command_line import Call, check
from pipeline.compose.composing import compose, compose_all
from pipeline.compose.run_spec import load
from pipeline.compose.stages import Stage, compose_stages, named
from pipeline.errors import BadInput

PRETRAIN = """# @package _global_
# Learns a language.
defaults:
  - override /task: masked_lm
  - override /data: python_docs
  - _self_
trainer:
  max_epochs: 7
"""
FINETUNE = """# @package _global_
# Learns a task.
defaults:
  - override /task: text_classification
  - override /data: movie_snippets
  - _self_
"""


@pytest.fixture(autouse=True)
def own(write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own stages, `first` and `second`."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    write("conf/stage/first.yaml", PRETRAIN)
    write("conf/stage/second.yaml", FINETUNE)


def chain(*overrides: str) -> list[Stage]:
    return compose_stages(compose(["stages=[first,second]", *overrides]))


def problems(*overrides: str) -> dict[str, tuple[str, str]]:
    """where -> what, nearest of everything that is wrong."""
    with pytest.raises(BadInput) as caught:
        compose_stages(compose(overrides))
    return {problem.where: (problem.what, problem.nearest) for problem in caught.value.problems}


def test_each_stage_is_the_call_with_its_own_file():
    first, second = chain("seed=3", "hardware=cpu", "optimizer.lr=0.5")
    assert [(stage.number, stage.of, stage.title) for stage in (first, second)] == [
        (1, 2, "stage 1 of 2, first"),
        (2, 2, "stage 2 of 2, second"),
    ]
    assert [stage.spec.choices["task"] for stage in (first, second)] == ["masked_lm", "text_classification"]
    assert [stage.spec.choices["data"] for stage in (first, second)] == ["python_docs", "movie_snippets"]
    assert [stage.spec.trainer.max_epochs for stage in (first, second)] == [7, None]
    for stage in (first, second):
        assert stage.spec.seed == 3 and stage.spec.hardware.accelerator == "cpu"
        assert stage.spec.config["optimizer"]["lr"] == 0.5
        assert (
            stage.spec.stages == () and stage.spec.choices["stage"] == stage.name
        )  # each is a run by itself


def test_keys_and_options_of_one_stage():
    first, second = chain(
        "trainer.max_epochs=2",
        "stage.second.trainer.max_epochs=3",
        "stage.second.data=bbc_news",
        "stage.second.model.dropout=0.3",
        "~stage.first.callbacks.early_stopping",
    )
    assert [stage.spec.trainer.max_epochs for stage in (first, second)] == [2, 3]
    assert [stage.spec.choices["data"] for stage in (first, second)] == ["python_docs", "bbc_news"]
    assert [stage.spec.model.dropout for stage in (first, second)] == [None, 0.3]
    assert ["early_stopping" in stage.spec.callbacks for stage in (first, second)] == [False, True]


def test_an_experiment_can_hold_a_chain_and_its_stages_choose_the_task(write):
    text = "# @package _global_\n# A chain.\ndefaults:\n  - override /task: regression\n  - _self_\n"
    write("conf/experiment/both.yaml", f"{text}stages: [first, second]\nseed: 5\n")
    composed = compose(["experiment=both", "stage.second.seed=6"])
    assert named(composed) and not named(compose([]))
    first, second = compose_stages(composed)
    assert (first.spec.choices["task"], first.spec.seed) == ("masked_lm", 5)
    assert (second.spec.choices["task"], second.spec.seed) == ("text_classification", 6)
    assert second.spec.choices["experiment"] == "both" and second.composed.config.stages == []


def test_debug_overlays_have_the_last_word():
    first, second = chain("debug=fast", "stage.second.trainer.max_steps=9")
    assert [stage.spec.trainer.max_steps for stage in (first, second)] == [4, 9]
    assert [stage.spec.data.limit for stage in (first, second)] == [64, 64]


def test_everything_that_is_wrong_is_said_at_once():
    found = problems(
        "stages=[frist,first,second]",
        "optimizer.rl=1",
        "stage.secnd.seed=1",
        "stage.first=3",
        "stage.second.trainer.max_epoch=3",
        "stage.second.task=text_clasification",
        "resume=outputs/x",
    )
    assert found["stages"] == ("'frist' is no stage", "first")
    assert found["stage.secnd.seed=1"][1] == "second"
    assert "which of its keys" in found["stage.first=3"][0]
    assert found["trainer.max_epoch (stage second)"] == ("unknown key", "max_epochs")
    assert found["task (stage second)"][1] == "text_classification"
    assert found["optimizer.rl"][0] == "unknown key"  # once, for all stages have it
    assert "one run" in found["resume"][0]
    assert len(found) == 7


def test_a_task_that_the_model_cannot_do_is_refused_with_the_stage():
    found = problems("stages=[first,second]", "model=gpt2", "stage.second.task=masked_lm")
    assert list(found) == ["model"] and "gpt2" in found["model"][0]
    found = problems("stages=[first,second]", "model=gpt2")
    assert list(found) == ["model (stage first)"]


def test_a_later_stage_names_no_model():
    found = problems("stages=[first,second]", "stage.second.model=distilbert")
    assert "distilbert cannot be chosen here" in found["model (stage second)"][0]
    found = problems("stages=[first,second]", "stage.second.model.checkpoint=org/name", "seed=-1")
    assert set(found) == {"model.checkpoint (stage second)", "seed"}


def test_later_stages_take_the_model_that_the_first_one_chooses(write):
    chosen = PRETRAIN.replace("  - _self_", "  - override /model: electra_base\n  - _self_")
    write("conf/stage/first.yaml", chosen)
    first, second = chain()
    assert first.spec.choices["model"] == second.spec.choices["model"] == "electra_base"
    assert second.spec.model.lora_modules == first.spec.model.lora_modules
    # What the call says is for all of them.
    assert [stage.spec.choices["model"] for stage in chain("model=distilbert")] == ["distilbert"] * 2
    write(
        "conf/stage/second.yaml",
        FINETUNE.replace("  - _self_", "  - override /model: roberta_base\n  - _self_"),
    )
    found = problems("stages=[first,second]")
    assert (
        found["model (stage second)"][1] == ""
        and "roberta_base cannot be chosen" in found["model (stage second)"][0]
    )


def test_a_chain_is_of_different_stages():
    assert "first is there twice" in problems("stages=[first,first]")["stages"][0]
    assert "a chain" in problems("stages=[first,second]", "stage=first")["stage"][0]
    with pytest.raises(BadInput, match="stages: 'first' is not"):
        load(compose(["stages=first"]))


def test_stage_keys_without_a_chain_are_refused():
    with pytest.raises(BadInput, match="stage: has no keys of its own"):
        load(compose(["stage.second.seed=1"]))


def test_a_sweep_of_chains_is_refused_with_what_to_do():
    jobs = compose_all(["stages=[first,second]", "seed=0,1"])
    assert len(jobs) == 2
    with pytest.raises(BadInput) as caught:
        load(jobs[0])
    (problem,) = caught.value.problems
    assert problem.where == "stages" and "for seed in 0 1 2; do" in problem.allowed


def test_a_later_stage_starts_from_a_run_and_keeps_its_own_options():
    scratch = ("model.from_scratch=true", "model.sizes={hidden_size: 36}", "model.vocab_size=99")
    first, second = chain(*scratch, "stage.second.model.dropout=0.3")
    after = second.after("/runs/one")
    assert first.spec.model.from_scratch and first.spec.model.vocab_size == 99
    for model in (after.spec.model, load(after.composed).model):
        assert (model.checkpoint, model.from_scratch, model.sizes, model.vocab_size) == (
            "/runs/one",
            False,
            {},
            None,
        )
        assert model.sha256 is None and model.dropout == 0.3
    assert second.spec.model.from_scratch  # the stage itself is as it was


def test_the_configurations_of_all_stages_are_printed(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        check(Call("train", ("stages=[first,second]",), cfg=True))
    shown = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [config["data"]["_target_"].rpartition(".")[2] for config in shown] == [
        "PythonDocs",
        "MovieSnippets",
    ]
