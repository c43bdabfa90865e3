import torch
from lightning.pytorch import LightningModule, Trainer

from pipeline.training.learning_rate_monitor import LearningRateMonitor, learning_rates
from pipeline.training.schedulers import Linear
from tests.training.facts import facts
from tests.training.loggers.kept import KeptLogger


class Stepping(LightningModule):
    log_every = 2

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def configure_optimizers(self):
        used = torch.optim.SGD(self.parameters(), lr=1.0)
        return [used], Linear(warmup_steps=0).build(used, 5, "val/loss", "min")

    def training_step(self, batch, index):
        return self.weight.sum() * 0

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.zeros(15, 1))


def test_logs_what_each_logged_step_was_made_with(tmp_path):
    logger = KeptLogger()
    trainer = Trainer(
        max_epochs=1,
        accumulate_grad_batches=3,
        callbacks=[LearningRateMonitor().build(facts(tmp_path, total_steps=5))],
        logger=logger,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        accelerator="cpu",
    )
    trainer.fit(Stepping())
    # Five steps from 1.0 down by a fifth each; every second is logged, and the last.
    assert logger.rows == [(2, {"lr": 0.8}), (4, {"lr": 0.4}), (5, {"lr": 0.2})]


def test_groups_have_names_of_their_own_only_where_they_differ():
    def optimizer(*groups):
        return torch.optim.SGD(
            [{"params": [torch.nn.Parameter(torch.zeros(1))], **group} for group in groups]
        )

    assert learning_rates(optimizer({"lr": 0.1}, {"lr": 0.1})) == {"lr": 0.1}
    used = optimizer({"lr": 0.1, "name": "head"}, {"lr": 0.2})
    assert learning_rates(used) == {"lr/head": 0.1, "lr/1": 0.2}
    Linear(warmup_steps=1).build(used, 5, "val/loss", "min")  # Both start at zero.
    assert learning_rates(used) == {"lr/head": 0.0, "lr/1": 0.0}


def test_groups_with_factors_are_one_line():
    used = torch.optim.SGD(
        [
            {"params": [torch.nn.Parameter(torch.zeros(1))], **group}
            for group in ({"lr": 0.3, "factor": 3.0}, {"lr": 0.1}, {"lr": 7.0, "factor": None})
        ]
    )
    assert learning_rates(used) == {"lr": 0.1}
    used.param_groups.pop(1)
    assert learning_rates(used) == {"lr": 0.3 / 3.0}
    used.param_groups.pop(0)
    assert learning_rates(used) == {"lr": 7.0}
