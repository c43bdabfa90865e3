"""The time left, and lines where there is no terminal."""

import io

import pytest
import torch
from lightning.pytorch import Trainer
from rich.console import Console

from pipeline.training.progress import Pace, Progress, clock
from tests.training.facts import BARE, facts
from tests.training.test_early_stopping import Scored


def test_clock():
    assert [clock(seconds) for seconds in (5, 65, 3_700)] == ["0:05", "1:05", "1:01:40"]


def test_time_left_counts_the_steps_of_this_process_alone():
    now = [100.0]
    pace = Pace(done=50, total=100, now=lambda: now[0])
    assert pace.left(50) is None
    now[0] = 120.0
    assert pace.left(60) == 80.0  # ten steps took 20 seconds, 40 are left


class Tokens(Scored):
    """Four batches an epoch that know their number of tokens."""

    def train_dataloader(self):
        return torch.utils.data.DataLoader([{"tokens": 3}] * 4)


@pytest.fixture
def trained(tmp_path):
    """``trained(console)``: two steps between validations, of which the n-th scores n tenths."""

    def run(console=None, accumulate=1):
        callback = Progress(every_percent=1).build(facts(tmp_path, total_steps=8))
        callback.console = console or callback.console
        Trainer(
            max_epochs=2,
            val_check_interval=2,
            accumulate_grad_batches=accumulate,
            callbacks=[callback],
            **BARE,
        ).fit(Tokens([0.1, 0.2, 0.3, 0.4]))
        return callback

    return run


def test_a_line_shows_the_validation_of_its_own_step(trained, capsys):
    trained()
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step ")]
    assert [line.split()[1] for line in lines] == [f"{step}/8" for step in range(1, 9)]
    shown = [line.partition("val/accuracy ")[2] for line in lines]
    assert shown == ["", "0.1000", "0.1000", "0.2000", "0.2000", "0.3000", "0.3000", "0.4000"]


def test_only_whole_steps_are_told(trained, capsys):
    trained(accumulate=2)
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines() if "elapsed" in line] == [
        f"{step}/8" for step in range(1, 5)
    ]


def test_the_bar_ends_with_the_last_validation(trained):
    file = io.StringIO()
    callback = trained(Console(file=file, force_terminal=True, width=120))
    assert callback.bar is None
    assert file.getvalue().rpartition("val/accuracy ")[2].startswith("0.4000")
