"""The yaml files of optimizers, schedulers, callbacks and loggers, and what importing their specs costs."""

import importlib
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pipeline.training.loggers.wandb import Wandb
from pipeline.training.specs import CallbackSpec, LoggerSpec, OptimizerSpec, SchedulerSpec

CONF = Path(__file__).parents[2] / "conf"
OPTIONS = {
    "optimizer": {"adamw", "sgd", "adafactor"},
    "scheduler": {"linear", "cosine", "constant", "plateau"},
    "logger": {"csv", "tensorboard", "wandb", "mlflow"},
    "callbacks": {"early_stopping", "learning_rate_monitor"},
}
BASES = {
    "optimizer": OptimizerSpec,
    "scheduler": SchedulerSpec,
    "logger": LoggerSpec,
    "callbacks": CallbackSpec,
}


def option(group, name):
    """The component of an option, as its file sets it: class and keys."""
    config = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{name}.yaml"), resolve=False)
    if group in ("logger", "callbacks"):
        assert list(config) == [name]  # Under its own key: several compose.
        config = config[name]
    module, _, cls = config.pop("_target_").rpartition(".")
    if "lr" in config:
        assert config["lr"] == "${strategy.learning_rate}"
        config["lr"] = 1e-5
    return getattr(importlib.import_module(module), cls), config


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in OPTIONS for name in sorted(OPTIONS[group])]
)
def test_an_option_is_its_component_and_lists_every_key_with_its_default(group, name):
    cls, config = option(group, name)
    spec = cls(**config)
    assert isinstance(spec, BASES[group])
    defaults = cls(lr=1e-5) if "lr" in config else cls()
    assert spec == defaults
    assert set(config) == {field.name for field in fields(cls)}


def test_every_file_begins_with_its_description():
    for group, names in OPTIONS.items():
        assert names <= {path.stem for path in (CONF / group).glob("*.yaml")}
        for path in (CONF / group).glob("*.yaml"):
            first = path.read_text().splitlines()[0]
            assert first.startswith("# ") and first.endswith("."), path


@pytest.fixture
def composed(tmp_path):
    """Composes one group of the primary configuration, with the default that it has there."""
    defaults = OmegaConf.load(CONF / "hydratune.yaml").defaults

    def of(group, *overrides):
        entry = next(
            entry for entry in defaults if isinstance(entry, dict | type(defaults[1])) and group in entry
        )
        primary = {"defaults": ["_self_", entry], "hydra": {"searchpath": [f"file://{CONF}"]}}
        OmegaConf.save(OmegaConf.create(primary), tmp_path / "primary.yaml")
        with initialize_config_dir(str(tmp_path), version_base="1.3"):
            return compose("primary", overrides=list(overrides)).get(group)

    return of


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ([], ["csv", "wandb"]),
        (["logger=csv"], ["csv"]),
        (["logger=[csv,tensorboard]"], ["csv", "tensorboard"]),
        (["logger=[csv,tensorboard,wandb,mlflow]"], ["csv", "tensorboard", "wandb", "mlflow"]),
        (["logger=none"], []),
    ],
)
def test_several_loggers_compose(composed, overrides, names):
    assert list(composed("logger", *overrides) or {}) == names


def test_a_key_of_one_of_several_loggers_is_set(composed):
    config = composed("logger", "logger.wandb.project=mine", "logger.wandb.mode=offline")
    options = {key: value for key, value in config.wandb.items() if key != "_target_"}
    assert Wandb(**options) == Wandb(project="mine", mode="offline")


def test_callbacks_compose(composed):
    config = composed("callbacks", "callbacks.early_stopping.patience=3")
    assert list(config) == ["checkpoint", "early_stopping", "learning_rate_monitor", "progress"]
    assert config.early_stopping.patience == 3
    assert not composed("callbacks", "callbacks=none")
    assert list(composed("callbacks", "callbacks=[early_stopping]")) == ["early_stopping"]


def test_importing_and_checking_specs_imports_nothing_heavy():
    modules = sorted({option(group, name)[0].__module__ for group in OPTIONS for name in OPTIONS[group]})
    code = f"""
import importlib, sys
for module in {modules!r}:
    importlib.import_module(module)
from pipeline.training.loggers.wandb import Wandb
from pipeline.training.loggers.tensorboard import TensorBoard
from pipeline.training.optimizers import AdamW
AdamW(lr=1e-3)
Wandb().check()
TensorBoard().check()
heavy = "torch lightning transformers datasets peft numpy wandb mlflow tensorboard yaml".split()
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=CONF.parent
    )
    assert done.stdout.strip() == "[]", done.stderr
