import sys

import pytest

from pipeline.compose.leaf import CallbackLeaf, Leaf, OptimizerLeaf
from pipeline.compose.target import Kind, resolve, trust, trusted
from pipeline.errors import BadInput
from pipeline.tasks.base import Task
from pipeline.training.specs import CallbackSpec, OptimizerSpec

TASK, OPTIMIZER, CALLBACK = Kind(Task), Kind(OptimizerSpec, OptimizerLeaf), Kind(CallbackSpec, CallbackLeaf)

OWN_TASK = """
from pipeline.component import component
from pipeline.tasks.base import Task

@component
class Stars(Task):
    stars: int = 5
"""


def test_ours():
    assert resolve({"_target_": "pipeline.tasks.base.Task"}, TASK, "task") is Task


def test_a_leaf_is_not_imported():
    leaf = resolve({"_target_": "torch.optim.RAdam", "lr": 0.1}, OPTIMIZER, "optimizer")
    assert isinstance(leaf, Leaf) and leaf.kwargs == {"lr": 0.1} and leaf.key == "optimizer"


@pytest.mark.parametrize(
    "target",
    [
        "pipeline.errors.difflib.get_close_matches",
        "pipeline.compose.target.os.system",
        "pipeline.compose.target.importlib",
        "pipeline.errors.BadInput",
        "pipeline.errors.nearest",
        "pipeline.tasks.base.Any",
        "pipeline.strategies.base.Strategy",
        "pipeline",
        "pipeline.",
        "pipeline.nowhere.Task",
        "pipelines.tasks.Task",
        "torch.optim.lr_scheduler.types.FunctionType",
        "torch.optim.AdamW",
        "builtins.eval",
        "os.system",
        "hydra.utils.get_method",
        "hydra.utils.instantiate",
        "lightning.pytorch.callbacks.Timer",
        "__main__.Task",
        "",
        3,
        None,
    ],
)
def test_refused_for_a_task(target):
    with pytest.raises(BadInput) as raised:
        resolve({"_target_": target}, TASK, "task")
    assert raised.value.problems[0].where == "task._target_"


@pytest.mark.parametrize(
    "target",
    [
        "torch.optim.lr_scheduler.types.FunctionType",
        "torch.optim.lr_scheduler.StepLR",
        "torch.load",
        "torch.optim.adamw.AdamW",
        "torch.optim",
        "torch.optim.AdamW.__init__",
        "lightning.pytorch.callbacks.Timer",
    ],
)
def test_refused_for_an_optimizer(target):
    with pytest.raises(BadInput):
        resolve({"_target_": target}, OPTIMIZER, "optimizer")


def test_the_public_name_of_a_leaf_is_suggested():
    with pytest.raises(BadInput) as raised:
        resolve({"_target_": "torch.optim.adamw.AdamW"}, OPTIMIZER, "optimizer")
    assert raised.value.problems[0].nearest == "torch.optim.AdamW"


@pytest.mark.parametrize(
    "options",
    [
        {"x": {"_target_": "os.system", "command": "true"}},
        {"x": [1, {"y": {"_target_": "os.system"}}]},
        {"_args_": ["true"]},
        {"_partial_": True},
    ],
)
def test_directives_inside_a_leaf_are_refused(options):
    with pytest.raises(BadInput, match="not allowed inside"):
        resolve({"_target_": "lightning.pytorch.callbacks.Timer", **options}, CALLBACK, "callbacks.timer")


def test_own_modules_are_trusted_by_name_only(here, write, monkeypatch):
    write("my_tasks.py", OWN_TASK)
    monkeypatch.delitem(sys.modules, "my_tasks", raising=False)
    entry = {"_target_": "my_tasks.Stars"}
    with pytest.raises(BadInput, match="--trust MODULE"):
        resolve(entry, TASK, "task")
    assert "my_tasks" not in sys.modules
    monkeypatch.setenv("HYDRATUNE_TRUST", "other, my_tasks")
    found = resolve(entry, TASK, "task")
    assert isinstance(found, type) and issubclass(found, Task) and found(stars=3).stars == 3
    with pytest.raises(BadInput, match="did you mean: Stars"):
        resolve({"_target_": "my_tasks.Star"}, TASK, "task")


def test_a_trusted_module_does_not_lend_what_it_imported(here, write, monkeypatch):
    write("my_reexports.py", "from os import system\nfrom argparse import ArgumentParser\n")
    monkeypatch.setenv("HYDRATUNE_TRUST", "my_reexports")
    for name in ("system", "ArgumentParser"):
        with pytest.raises(BadInput, match="not a class of that module"):
            resolve({"_target_": f"my_reexports.{name}"}, CALLBACK, "callbacks.x")


def test_faults_of_a_trusted_module_are_told(here, write, monkeypatch):
    write("my_broken.py", "x = 1\ndef f(:\n")
    write("my_needy.py", "import not_installed_anywhere\n")
    monkeypatch.setenv("HYDRATUNE_TRUST", "my_broken,my_needy")
    with pytest.raises(BadInput, match=r"my_broken.py:2: not valid Python"):
        resolve({"_target_": "my_broken.A"}, TASK, "task")
    with pytest.raises(BadInput, match="not_installed_anywhere"):
        resolve({"_target_": "my_needy.A"}, TASK, "task")


def test_trust_is_added_to_the_environment(monkeypatch):
    monkeypatch.setenv("HYDRATUNE_TRUST", "a")
    trust("b,c.d", "a")
    assert trusted() == ["a", "b", "c.d"]
    with pytest.raises(BadInput, match="'x y' is not the name of a module"):
        trust("x y")
