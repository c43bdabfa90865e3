"""`plan -m` puts models beside each other, those that are not here too; `plan --matrix` says what goes together."""

import subprocess
from pathlib import Path

import pytest

from pipeline.comparison import HEADER, apart, compare
from pipeline.errors import BadInput
from tests.conftest import PYTHON, ROOT, Command, quick_environment
from tests.documents import blocks
from tests.models import families


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    folders = [families.pretrained(name, tmp_path / name) for name in ("bert", "llama")]
    return [
        "model=auto",
        f"model.checkpoint={','.join(folders)}",
        "data=files",
        "hardware=cpu",
        "hardware.threads=1",
    ]


def test_a_row_for_each(two: list[str], reviews: Path, tmp_path: Path) -> None:
    columns = ["data.columns.text='review body'", "data.columns.label=verdict"]
    rows, notes = compare([*two, f"data.train={reviews}", *columns, "model.licence=MIT", "data.audit=off"])
    assert notes == []
    header, bert, llama = (dict(zip(HEADER, row, strict=True)) for row in rows)
    assert list(header.values()) == HEADER
    assert bert[""] == f"model.checkpoint={tmp_path / 'bert'}"
    assert (bert["longest"], bert["licence"]) == ("512", "MIT")
    assert bert["weights"] == bert["trained"] and bert["weights"].endswith("k")
    assert bert["tokens/s"].startswith("~") and llama["tokens/s"].startswith("~")
    assert bert["tasks"] == "?", "model=auto does not say"


def test_what_all_models_have_in_common_is_no_column():
    rows = [HEADER, ["seed=0", *"abcd", "512", "MIT", "all"], ["seed=1", *"abcd", "512", "MIT", "all"]]
    kept, said = apart(rows)
    assert kept == [row[:5] for row in rows], "numbers stay, be they the same"
    assert said == ["of all: longest 512", "of all: licence MIT", "of all: tasks all"]
    other = [*rows[:2], ["seed=1", *"abcd", "512", "?", "all"]]
    assert [row[5:] for row in apart(other)[0]] == [["licence"], ["MIT"], ["?"]]
    assert apart(rows[:2]) == (rows[:2], []), "a single one is shown with all that is known"


def test_one_that_is_not_here_has_a_row_too(command: Command, reviews: Path, minilm: Path) -> None:
    words = ["model=bert,gpt2", "data=files", f"data.train={reviews}", "strategy=frozen_backbone"]
    columns = ["data.columns.text='review body'", "data.columns.label=verdict"]
    done = command("plan", "-m", *words, *columns, env={"COLUMNS": "150"})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    bert = next(line for line in lines if "model=bert" in line)
    gpt2 = next(line for line in lines if "model=gpt2" in line)
    assert "22.6M" in bert and "Apache-2.0" in bert and "512" in bert and "all but" in bert
    assert "MIT" in gpt2 and "all but masked_lm" in gpt2 and "22.7M" not in gpt2
    assert "model=gpt2: openai-community/gpt2 is not wholly in the cache" in done.stdout


def test_where_no_job_can_be_planned_it_is_bad_input(two: list[str]) -> None:
    with pytest.raises(BadInput) as raised:
        compare([*two, "data.train=nothing.csv", "optimizer.rl=1"])
    assert {problem.where for problem in raised.value.problems} == {"optimizer.rl"}


def test_the_matrix_is_printed_by_plan_alone(command: Command) -> None:
    done = command("plan", "--matrix", env={"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert "text_classification" in done.stdout and "frozen_backbone" in done.stdout
    refused = command("train", "--matrix")
    assert refused.returncode == 2 and "python -m pipeline.plan --matrix" in refused.stderr
    assert "--matrix" in command("plan", "--help").stdout


def test_the_page_works_as_it_stands(reviews: Path, tmp_path: Path, minilm: Path) -> None:
    lines = reviews.read_text(encoding="utf-8").splitlines()
    (tmp_path / "reviews.csv").write_text("\n".join(["review body,stars", *lines[1:]]), encoding="utf-8")
    commands = [block.text for block in blocks(ROOT / "docs/models.md", "bash")]
    assert len(commands) == 3
    for text in commands:
        code = text.replace("python ", f"{PYTHON.python} ")
        done = subprocess.run(
            ["bash", "-ec", code], cwd=tmp_path, env=quick_environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
