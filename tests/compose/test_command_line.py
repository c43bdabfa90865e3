import sys

import pytest
import yaml

from pipeline.compose.command_line import Call, check, outcome, parse
from pipeline.errors import BadInput, Interrupted, Problem


def test_flags_may_stand_anywhere():
    call = parse(["seed=1", "-m", "--config-dir", "more", "strategy=lora,full", "~debug"], command="train")
    assert call == Call("train", ("seed=1", "strategy=lora,full", "~debug"), True, False, False, "more")
    call = parse(["--cfg", "job", "--resolve", "name=x"], command="train")
    assert call.cfg and call.resolve and call.given("name") == "x" and call.given("seed") is None


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--mutlirun"], "did you mean: --multirun"),
        (["--cfg", "all"], "job"),
        (["--cfg"], "expected one argument"),
        (["--resolve"], "goes with --cfg"),
        (["--cfg", "job", "-m"], "leave out -m"),
        (["--trust", "a b"], "not the name of a module"),
    ],
)
def test_wrong_flags(argv, message):
    with pytest.raises(BadInput, match=message):
        parse(argv, command="train")


@pytest.mark.parametrize("word", ["sweep=optuna", "hydra/launcher=local"])
def test_what_is_about_sweeps_wants_one(word):
    with pytest.raises(BadInput, match="-m") as raised:
        check(parse([word], command="train"))
    assert raised.value.problems[0].where == word.partition("=")[0]


@pytest.mark.parametrize(
    ("argv", "nearest"),
    [
        (["--lr", "1e-4"], "optimizer.lr=1e-4"),
        (["seed=1", "--num_train_epochs=3", "name=x"], "trainer.max_epochs=3"),
        (["--per_device_train_batch_size", "8"], "trainer.batch_size=8"),
        (["--seed", "name=x"], "seed=…"),
    ],
)
def test_flags_of_other_programs(here, argv, nearest):
    with pytest.raises(BadInput) as raised:
        parse(argv, command="train")
    (problem,) = raised.value.problems
    assert problem.nearest == nearest and "without dashes" in problem.allowed


def test_flags_that_make_no_sense_with_a_finished_run():
    for command in ("predict", "evaluate"):
        with pytest.raises(BadInput, match=f"--multirun: is no flag of {command}"):
            parse(["-m", "run=x"], command=command)


def test_trust_reaches_child_processes(monkeypatch):
    import os

    monkeypatch.setenv("HYDRATUNE_TRUST", "a")
    parse(["--trust", "my_tasks", "--trust", "b,c"], command="train")
    assert os.environ["HYDRATUNE_TRUST"] == "a,my_tasks,b,c"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (ValueError("broken"), 1),
        (BadInput([Problem("a", "b"), Problem("c", "d", "e", "f")]), 2),
        (Interrupted("checkpoint written"), 75),
        (KeyboardInterrupt(), 130),
        (SystemExit(0), 0),
    ],
)
def test_outcomes(error, code, capsys):
    def main():
        if error is not None:
            raise error

    with pytest.raises(SystemExit) as ended:
        outcome(main)
    assert ended.value.code == code
    told = capsys.readouterr().err
    if code == 2:
        assert told == "2 problems:\n\na: b\nc: d\n    did you mean: f\n    allowed: e\n"
    if code == 1:
        assert told.splitlines()[-1] == "failed: ValueError: broken" and "Traceback" in told


def test_help_of_a_command(here, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["--help"], command="train")
    assert ended.value.code == 0 and "usage: python -m pipeline.train" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["nonsense"], "nonsense: is not an override"),
        (["a=[1"], "a=[1: cannot be read"),
        (["model=brt"], "model: 'brt' is not an option"),
        (["optimzer=adamw"], "did you mean: optimizer"),
        (["optimizer.lr=abc"], "optimizer.lr: 'abc' is not a number"),
        (["+trainer.foo=1"], "trainer.foo: unknown key"),
        (["seed=1,2"], "-m to run each"),
        (["model.checkpoint=???"], "model.checkpoint: must be set"),
        (["name=${nowhere}"], "name: ${nowhere} cannot be resolved"),
        (["debug.foo=1"], "debug: has no keys of its own"),
        (["scheduler=null", "scheduler.foo=1"], "scheduler: no option is chosen"),
        (["trainer=broken"], "conf/trainer/broken.yaml:3: not valid yaml"),
        (["trainer=lost"], "'trainer/nowhere', which does not exist"),
        (["--config-dir", "nowhere"], "'nowhere' is not a folder"),
        (["hydra.nothing=1"], "hydra.nothing"),
        (["hydra/launcher=none_such"], "hydra/launcher: 'none_such' is not an option"),
    ],
)
def test_mistakes_end_with_2_and_no_traceback(tiny, write, args, told):
    write("conf/trainer/broken.yaml", "# Broken.\nmax_steps: [1\n")
    write("conf/trainer/lost.yaml", "# Lost.\ndefaults: [nowhere]\n")
    done = tiny(*args)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr and "Traceback" not in done.stderr and done.stdout == ""
    assert done.stderr.startswith("1 problem:\n")
    assert not (write("x", "").parent / "outputs").exists()


def test_checking_imports_nothing_heavy(tiny):
    done = tiny("strategy=lora", "seed=0")
    assert (done.returncode, done.stdout) == (0, "bert-lora []\n"), done.stderr


def test_cfg_prints_the_configuration(tiny):
    done = tiny("strategy=lora", "tags=['${oc.env:MY_TOKEN}']", "--cfg", "job", env={"MY_TOKEN": "s3cret"})
    shown = yaml.safe_load(done.stdout)
    assert shown["optimizer"]["lr"] == "${strategy.learning_rate}" and shown["tags"] == ["${oc.env:MY_TOKEN}"]
    done = tiny(
        "strategy=lora",
        "tags=['${oc.env:MY_TOKEN}']",
        "--cfg",
        "job",
        "--resolve",
        env={"MY_TOKEN": "s3cret"},
    )
    shown = yaml.safe_load(done.stdout)
    assert shown["optimizer"]["lr"] == shown["strategy"]["learning_rate"] and "s3cret" not in done.stdout


def test_hydra_answers_completion_and_info(tiny, write):
    write("conf/strategy/mine.yaml", "# Mine.\n")
    done = tiny("-sc", "query=bash", env={"COMP_LINE": "tiny strategy="})
    words = done.stdout.split()
    assert "strategy=lora" in words and "strategy=mine" in words, done.stderr
    done = tiny("--info", "searchpath")
    assert done.returncode == 0 and "conf" in done.stdout
    assert done.stdout.index("hydratune") < done.stdout.index("main")


def test_the_program_is_started_with_sys_argv_untouched():
    before = list(sys.argv)
    parse(["seed=1"], command="train")
    assert sys.argv == before
