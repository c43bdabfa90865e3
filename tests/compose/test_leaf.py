import pytest
import torch
from lightning.pytorch.callbacks import Timer

from pipeline.compose.leaf import CallbackLeaf, LoggerLeaf, OptimizerLeaf, SchedulerLeaf
from pipeline.errors import BadInput


def parameters():
    return [{"params": [torch.nn.Parameter(torch.zeros(2))], "weight_decay": 0.5}]


def test_optimizer():
    leaf = OptimizerLeaf("optimizer", "torch.optim.RAdam", {"lr": 0.1, "weight_decay": 0.01})
    leaf.check()
    built = leaf.build(parameters())
    assert type(built) is torch.optim.RAdam
    assert built.param_groups[0]["lr"] == 0.1 and built.param_groups[0]["weight_decay"] == 0.5
    assert leaf.lr == 0.1 and leaf.weight_decay == 0.01


def test_schedulers():
    optimizer = torch.optim.SGD(parameters(), lr=0.1)
    step = SchedulerLeaf("scheduler", "torch.optim.lr_scheduler.StepLR", {"step_size": 3})
    (entry,) = step.build(optimizer, 10, "val/loss", "min")
    assert type(entry["scheduler"]) is torch.optim.lr_scheduler.StepLR and entry["interval"] == "step"
    plateau = SchedulerLeaf("scheduler", "torch.optim.lr_scheduler.ReduceLROnPlateau")
    assert plateau.build(optimizer, 10, "val/loss", "min")[0]["monitor"] == "val/loss"


def test_callback_and_logger(tmp_path):
    assert isinstance(CallbackLeaf("callbacks.t", "lightning.pytorch.callbacks.Timer").build(None), Timer)
    logger = LoggerLeaf("logger.x", "lightning.pytorch.loggers.CSVLogger", {"save_dir": str(tmp_path)})
    assert logger.build(None).save_dir == str(tmp_path)


def test_signature_problems_come_together():
    leaf = SchedulerLeaf("scheduler", "torch.optim.lr_scheduler.StepLR", {"gama": 0.1, "optimizer": 3})
    with pytest.raises(BadInput) as raised:
        leaf.check()
    found = {problem.where: problem for problem in raised.value.problems}
    assert set(found) == {"scheduler.step_size", "scheduler.gama", "scheduler.optimizer"}
    assert found["scheduler.gama"].nearest == "gamma"


@pytest.mark.parametrize("target", ["torch.optim.lr_scheduler", "torch.optim.Adm", "torch.optim.swa_utils"])
def test_what_is_no_optimizer_is_refused(target):
    with pytest.raises(BadInput) as raised:
        OptimizerLeaf("optimizer", target).check()
    assert raised.value.problems[0].where == "optimizer._target_"


def test_a_refused_value_names_the_key():
    with pytest.raises(
        BadInput, match=r"optimizer: torch.optim.AdamW refuses its options: Invalid learning rate: -1"
    ):
        OptimizerLeaf("optimizer", "torch.optim.AdamW", {"lr": -1}).build(parameters())
