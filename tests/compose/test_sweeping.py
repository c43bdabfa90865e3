"""What the words of a sweep ask for."""

import pytest

from pipeline.compose.sweeping import read
from pipeline.errors import BadInput
from pipeline.launch.sweeps.checking import samples
from pipeline.launch.sweeps.listed import draws, grid
from pipeline.launch.sweeps.space import Choices, Interval
from pipeline.launch.sweeps.spec import Asha, Grid

SEARCH = "sweep=optuna"


@pytest.fixture(autouse=True)
def offline(here, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")


def test_intervals_ranges_and_choices():
    asked = read(
        [
            SEARCH,
            "optimizer.lr=tag(log,interval(1e-5,1e-3))",
            "trainer.max_epochs=interval(1,5)",
            "optimizer.weight_decay=interval(0.0,1)",
            "strategy=full,lora",
            "trainer.batch_size=range(32,7,-8)",
            "seed=3",
        ]
    )
    assert asked.parameters == [
        Interval("optimizer.lr", "tag(log,interval(1e-5,1e-3))", 1e-5, 1e-3, log=True),
        Interval("trainer.max_epochs", "interval(1,5)", 1, 5),
        Interval("optimizer.weight_decay", "interval(0.0,1)", 0.0, 1.0),
        Choices("strategy", "full,lora", ("full", "lora")),
        Interval("trainer.batch_size", "range(32,7,-8)", 8, 32, step=8),
    ]
    assert [parameter.whole for parameter in asked.parameters if isinstance(parameter, Interval)] == [
        False,
        True,
        False,
        True,
    ]
    assert asked.common == ["seed=3"] and asked.seed == 3


def test_a_space_of_a_file_gives_way_to_the_command_line(write):
    write(
        "conf/experiment/mine.yaml",
        "# @package _global_\n# Mine.\ndefaults:\n  - override /sweep: asha\n  - _self_\n"
        "sweep:\n  trials: 7\n  space:\n    optimizer.lr: tag(log, interval(1e-5, 1e-3))\n    strategy.r: 4,8\n",
    )
    asked = read(["experiment=mine", "strategy=lora", "strategy.r=2"])
    assert isinstance(asked.sweep, Asha) and asked.sweep.trials == 7
    assert list(asked.space) == ["optimizer.lr"]
    assert asked.of(["optimizer.lr=0.001"]) == [
        "optimizer.lr=0.001",
        "experiment=mine",
        "strategy=lora",
        "strategy.r=2",
    ]


def test_a_key_is_set_only_where_the_chosen_option_has_it():
    words = ["strategy=full,lora", "strategy.r=4,8", "optimizer.lr=1e-3"]
    assert grid(read(words)) == [
        ["strategy=full"],
        ["strategy=lora", "strategy.r=4"],
        ["strategy=lora", "strategy.r=8"],
    ]
    for drawn in draws(read(["sweep=random", *words])):
        assert len(drawn) == (2 if "strategy=lora" in drawn else 1)
    assert {len(drawn) for drawn in draws(read(["sweep=random", *words]))} == {1, 2}


def test_samples_have_every_condition_and_every_value():
    words = ["strategy=full,lora", "strategy.r=4,8,16", "optimizer.lr=interval(0.1,0.2)"]
    found = samples(read([SEARCH, *words]))
    assert {tuple(chosen) for chosen in found} == {
        ("strategy=full", "optimizer.lr=0.1"),
        ("strategy=full", "optimizer.lr=0.2"),
        ("strategy=lora", "strategy.r=4", "optimizer.lr=0.1"),
        ("strategy=lora", "strategy.r=8", "optimizer.lr=0.2"),
        ("strategy=lora", "strategy.r=16", "optimizer.lr=0.1"),
    }


def test_seeds_are_an_axis_of_every_configuration(write):
    asked = read(["optimizer.lr=1e-3,1e-4", "seeds=3", "seed=5"])
    assert asked.seeds == 3 and grid(asked) == [["optimizer.lr=0.001"], ["optimizer.lr=0.0001"]]
    jobs = asked.jobs(["optimizer.lr=0.001"])
    assert [job.spec.seed for job in jobs] == [5, 6, 7]
    assert all(job.spec.seeds is None for job in jobs)
    write("conf/experiment/three.yaml", "# @package _global_\n# Three.\nseeds: 3\nseed: 8\n")
    jobs = read(["experiment=three"]).jobs([])
    assert [(job.spec.seed, job.spec.seeds) for job in jobs] == [(8, None), (9, None), (10, None)]


def test_draws_follow_from_seed_and_number_alone():
    words = ["sweep=random", "optimizer.lr=tag(log,interval(1e-5,1e-3))", "trainer.batch_size=8,16"]
    more = draws(read([*words, "sweep.trials=30"]))
    assert draws(read([*words, "sweep.trials=5"])) == more[:5]
    assert draws(read([*words, "sweep.trials=5", "seed=1"])) != more[:5]
    rates = [float(drawn[0].partition("=")[2]) for drawn in more]
    assert all(1e-5 <= rate <= 1e-3 for rate in rates)
    assert 5 < sum(rate < 1e-4 for rate in rates) < 25, "uniform in the logarithm"


def test_the_last_word_for_a_key_counts():
    asked = read([SEARCH, "optimizer.lr=1e-3,1e-4", "seed=1,2", "optimizer.lr=interval(0.1,0.2)", "seed=3"])
    assert asked.space == {"optimizer.lr": "interval(0.1,0.2)"} and asked.common == ["seed=3"]


def test_a_grid_is_the_default_and_one_word_is_one_job():
    asked = read(["optimizer.lr=1e-3"])
    assert type(asked.sweep) is Grid and grid(asked) == [[]]


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["optimizer.lr=interval(1e-5,1e-3)"], ["optimizer.lr"]),
        ([SEARCH, "optimizer.lr=interval(1,1)"], ["optimizer.lr"]),
        ([SEARCH, "optimizer.lr=tag(log,interval(0,1))"], ["optimizer.lr"]),
        ([SEARCH, "optimizer.lr=range(3,1)"], ["optimizer.lr"]),
        ([SEARCH], ["sweep.space"]),
        ([SEARCH, "optimizer.lr=1,2", "sweep.trials=0", "sweep.jobs=-1"], ["sweep.jobs", "sweep.trials"]),
        ([SEARCH, "optimizer.lr=1,2", "sweep.trails=3"], ["sweep.trails"]),
        (["seeds=2", "seed=1,2"], ["seeds"]),
        (["seeds=0"], ["seeds"]),
        (["sweep=bayes", "seed=1,2"], ["sweep"]),
        ([SEARCH, "+sweep.space.seed='choice(1,'"], ["sweep.space.seed"]),
    ],
)
def test_what_cannot_be_asked_for(words, where):
    with pytest.raises(BadInput) as raised:
        read(words)
    assert [problem.where for problem in raised.value.problems] == where


def test_a_storage_of_an_unknown_kind():
    with pytest.raises(BadInput) as raised:
        read([SEARCH, "optimizer.lr=1e-3,1e-2", "sweep.storage=redis://here"]).jobs(["optimizer.lr=0.001"])
    assert [problem.where for problem in raised.value.problems] == ["sweep.storage"]


def test_a_run_of_a_sweep_meets_no_other_machine():
    asked = read(["seed=0,1", "hardware=ddp", "hardware.nodes=2", "hardware.rendezvous=there:29500"])
    with pytest.raises(BadInput, match="submitit_slurm") as raised:
        asked.jobs(["seed=0"])
    assert [problem.where for problem in raised.value.problems] == ["hardware.nodes"]
