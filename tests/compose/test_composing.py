import pytest

from pipeline.compose.composing import compose, compose_all
from pipeline.errors import BadInput


def test_interpolations_and_choices_are_kept(here):
    from omegaconf import OmegaConf

    composed = compose(["strategy=lora", "logger=[csv]", "seed=3"])
    raw = OmegaConf.to_container(composed.config)
    assert raw["optimizer"]["lr"] == "${strategy.learning_rate}" and raw["seed"] == 3
    assert "hydra" not in raw
    assert composed.choices["strategy"] == "lora" and composed.choices["logger"] == ["csv"]
    assert composed.overrides == ("strategy=lora", "logger=[csv]", "seed=3") and not composed.problems


def test_own_folder_adds_options_and_config_dir_wins(here, write):
    write("conf/trainer/short.yaml", "# Short.\ndefaults: [default]\nmax_steps: 1\n")
    assert compose(["trainer=short"]).config.trainer.max_steps == 1
    write("more/trainer/short.yaml", "# Shorter.\ndefaults: [default]\nmax_steps: 2\n")
    assert compose(["trainer=short"], "more").config.trainer.max_steps == 2
    write("conf/trainer/default.yaml", "# Mine.\nmax_steps: 3\n")
    assert compose([]).config.trainer == {"max_steps": 3}


def test_overlays_are_global(here, write):
    write("conf/debug/mine.yaml", "# @package _global_\n# Mine.\ntrainer:\n  max_steps: 2\nlogger: null\n")
    config = compose(["debug=mine", "trainer.max_epochs=4"]).config
    assert config.trainer.max_steps == 2 and config.trainer.max_epochs == 4 and config.logger is None
    assert compose(["debug=mine", "debug=null"]).config.trainer.max_steps is None


def test_a_stray_config_yaml_shadows_nothing(here, write):
    write("conf/config.yaml", "seed: 99\n")
    assert compose([]).config.seed == 0


def test_a_broken_yaml_is_named_with_its_line(here, write):
    write("conf/trainer/mine.yaml", "# Mine.\nmax_steps: 1\nbatch_size: [1\n")
    with pytest.raises(BadInput) as raised:
        compose(["trainer=mine", "nonsense"])
    where = [problem.where for problem in raised.value.problems]
    assert where == ["nonsense", "conf/trainer/mine.yaml:4"]
    assert "line 3" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("defaults: [nowhere]\n", "'trainer/nowhere', which does not exist"),
        ("defaults: 3\n", "defaults"),
        ("a: ${b\n", "a"),
        ("a: 1\na: 2\n", "mine.yaml:2: not valid yaml: found duplicate key a"),
        ("\tx: 1\n", "mine.yaml:1"),
    ],
)
def test_malformed_files_are_bad_input(here, write, text, message):
    write("conf/trainer/mine.yaml", text)
    with pytest.raises(BadInput, match=message):
        compose(["trainer=mine"])


def test_several_values_need_multirun(here):
    problem = compose(["seed=1,2"]).problems[0]
    assert problem.where == "seed" and "-m" in problem.allowed and "'seed=[1,2]'" in problem.allowed


def test_values_are_set_one_by_one(here):
    composed = compose(["tags.foo=1", "~nothing", "~trainer.max_steps", "~seed=7", "name=x"])
    assert [p.where for p in composed.problems] == ["tags.foo", "~nothing", "~seed=7"]
    assert "max_steps" not in composed.config.trainer and composed.config.name == "x"


def test_every_job_of_a_grid(here):
    jobs = compose_all(["seed=1,2", "strategy=lora,full"])
    assert [(job.config.seed, job.choices["strategy"]) for job in jobs] == [
        (1, "lora"),
        (1, "full"),
        (2, "lora"),
        (2, "full"),
    ]
    assert jobs[1].overrides == ("seed=1", "strategy=full")


def test_a_faulty_grid_tells_of_everything(here):
    with pytest.raises(BadInput) as raised:
        compose_all(["seed=1,2", "nonsense", "trainer.batchsize=3"])
    assert [problem.where for problem in raised.value.problems] == ["nonsense", "trainer.batchsize"]
