import pytest

from pipeline.compose.composing import compose
from pipeline.compose.leaf import CallbackLeaf, LoggerLeaf, OptimizerLeaf
from pipeline.compose.run_spec import GROUPS, load
from pipeline.errors import BadInput
from pipeline.strategies.base import Strategy
from pipeline.tasks.base import Task


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")


def spec(*overrides):
    return load(compose(overrides))


def problems(*overrides):
    with pytest.raises(BadInput) as raised:
        spec(*overrides)
    return {problem.where: problem for problem in raised.value.problems}


def test_defaults(here):
    run = spec()
    assert isinstance(run.task, Task) and isinstance(run.strategy, Strategy)
    assert (
        run.name == "bert-full"
        and run.seed == 0
        and run.tags == ()
        and run.choices["task"] == "text_classification"
    )
    assert run.optimizer.lr == run.strategy.learning_rate
    assert list(run.logger) == ["csv", "wandb"] and not list(run.leaves())
    assert run.config["optimizer"]["lr"] == run.strategy.learning_rate


def test_seed_zero_is_a_seed_and_true_is_not(here):
    assert spec("seed=0").seed == 0
    assert problems("seed=true")["seed"].what == "true is not a whole number"
    assert "out of range" in problems("seed=-1")["seed"].what


def test_every_mistake_at_once(here):
    found = problems(
        "optimzer=adamw",
        "optimizer.lr=abc",
        "+optimizer.weigt_decay=1",
        "trainer.batch_size=0",
        "hardware=gp",
        "nonsense",
        "tags=[a,[b]]",
        "callbacks.early_stoping.patience=3",
        "data.split.validaton=0.1",
        "name=${nothing}",
    )
    assert set(found) == {
        "optimzer",
        "optimizer.lr",
        "optimizer.weigt_decay",
        "trainer.batch_size",
        "hardware",
        "nonsense",
        "tags.1",
        "callbacks.early_stoping",
        "data.split.validaton",
        "name",
    }
    nearest = {where: problem.nearest for where, problem in found.items() if problem.nearest}
    assert nearest == {
        "optimzer": "optimizer",
        "optimizer.weigt_decay": "weight_decay",
        "hardware": "gpu",
        "callbacks.early_stoping": "early_stopping",
        "data.split.validaton": "validation",
    }


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("learning_rate=1e-4", "optimizer.lr"),
        ("max_epochs=2", "trainer.max_epochs"),
        ("batch_size=8", "trainer.batch_size"),
        ("modle=bert", "model"),
    ],
)
def test_a_key_that_belongs_to_a_group(here, given: str, meant: str):
    assert [(found.what, found.nearest) for found in problems(given).values()] == [("unknown key", meant)]


def test_nothing_more_is_said_of_a_group_whose_option_is_unknown(here):
    assert set(problems("trainer=defualt", "trainer.anything=1")) == {"trainer"}


def test_a_group_without_an_option(here):
    assert problems("optimizer=null")["optimizer"].what == "must be set"
    assert "no option is chosen" in problems("optimizer=null", "optimizer.lr=1")["optimizer"].what


def test_an_overlay_has_no_keys(here):
    assert "has no keys of its own" in problems("debug.steps=3")["debug"].what


def test_a_file_that_is_a_list(here, write):
    write("conf/trainer/mine.yaml", "- a\n- b\n")
    assert "no key: value" in problems("trainer=mine")["trainer=mine"].what


def test_missing_values_are_told_once(here):
    assert [(p.where, p.what) for p in problems("model.checkpoint=???").values()] == [
        ("model.checkpoint", "must be set")
    ]


def test_entries_set_to_null_are_off(here):
    run = spec("callbacks.progress=null", "logger=null")
    assert "progress" not in run.callbacks and "checkpoint" in run.callbacks and run.logger == {}
    assert spec("~logger").logger == {} and list(spec("~logger", "logger=csv").logger) == ["csv"]


def test_leaves_of_other_libraries(here):
    run = spec(
        "optimizer._target_=torch.optim.RAdam",
        "+callbacks.timer._target_=lightning.pytorch.callbacks.Timer",
        "+logger.plain._target_=lightning.pytorch.loggers.CSVLogger",
    )
    assert isinstance(run.optimizer, OptimizerLeaf) and isinstance(run.callbacks["timer"], CallbackLeaf)
    assert isinstance(run.logger["plain"], LoggerLeaf)
    assert [leaf.key for leaf in run.leaves()] == ["optimizer", "callbacks.timer", "logger.plain"]


def test_names_are_fit_for_a_folder(here):
    assert spec("name=2024").name == "2024"
    for name in ("../x", "a/b", ".hidden"):
        assert set(problems(f"name={name}")) == {"name"}


OWN = """
from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.base import Strategy

@component
class Half(Strategy):
    share: float = 0.5

    def conflicts(self, spec):
        return [Problem("strategy", f"does not go with {spec.name}")] if spec.name == "alone" else []

    def check(self):
        if self.share > 1:
            raise BadInput(Problem("strategy.share", "more than there is"))
"""


def test_a_strategy_of_the_users(here, write, monkeypatch):
    write("my_strategies.py", OWN)
    write(
        "conf/strategy/half.yaml", "# Half.\n_target_: my_strategies.Half\nlearning_rate: 0.1\nshare: 0.5\n"
    )
    assert "--trust" in problems("strategy=half")["strategy._target_"].allowed
    monkeypatch.setenv("HYDRATUNE_TRUST", "my_strategies")
    run = spec("strategy=half", "strategy.share=0.7")
    assert run.strategy.share == 0.7 and run.name == "bert-half" and run.optimizer.lr == 0.1
    assert problems("strategy=half", "strategy.shar=1")["strategy.shar"].nearest == "share"
    assert set(problems("strategy=half", "strategy.share=2", "name=alone")) == {"strategy", "strategy.share"}
    assert load(compose(["strategy=half", "strategy.share=2"]), frozen=True).strategy.share == 2


def test_components_without_options_are_asked_too(here, monkeypatch):
    from pipeline.training.loggers import base

    monkeypatch.setattr(base, "find_spec", lambda module: None)
    assert "install 'tensorboard" in problems("logger=[csv,tensorboard]")["logger=tensorboard"].allowed


def test_what_is_published_hides_the_environment(here, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    run = spec("tags=['${oc.env:MY_TOKEN}']")
    assert run.tags == ("s3cret",) and "s3cret" not in str(run.public)


def test_groups_cover_the_primary_configuration(here):
    from pipeline.compose import locations

    assert set(GROUPS) == set(locations.default_options())
