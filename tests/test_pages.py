"""README.md, docs/data and the pages beside the guide work as they stand: every command is run.

Trainings are cut short by a few more words (`SHORTER`) at the end of each call of train, plan and prepare
that does not name a run. A comment above a block changes that: "composed only" (it needs a hub or a GPU)
prints the configuration instead of running it; "not run" is for installing and for make, whose targets are
looked up.
"""

import csv
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import PYTHON, ROOT, environment, quick_environment
from tests.documents import Block, blocks, write_files

README, GUIDE, MODELS = ROOT / "README.md", ROOT / "docs/guide.md", ROOT / "docs/models.md"
# Commands of the other pages of docs/data are only composed: tests/test_data_pages.py. Those of docs/launchers.md too:
# tests/launch/launchers/test_page.py.
DATA = [ROOT / f"docs/data/{name}.md" for name in ("audit", "augmentation", "bad_rows", "streaming")]
PAGES = (
    README,
    GUIDE,
    MODELS,
    ROOT / "docs/stages.md",
    ROOT / "docs/export.md",
    ROOT / "docs/reports.md",
    ROOT / "docs/sweeps.md",
    ROOT / "docs/scale.md",
    ROOT / "docs/performance.md",
    *DATA,
)
# Of their own test, beside the tasks.
DATA_PAGES = sorted(f"docs/data/{path.name}" for path in (ROOT / "docs/data").glob("*.md"))
TASK_PAGES = sorted(f"docs/tasks/{path.name}" for path in (ROOT / "docs/tasks").glob("*.md"))
SHORTER = ["data.limit=16", "data.examples_per_class=null", "trainer.max_steps=1", "hardware.threads=1"]
# Beside README.md, where no page speaks of them, runs are without loggers: these have tests of their own.
UNLOGGED = ["logger=none"]
# A function of bash, so that commands run as they are written, pipes and variables included.
FUNCTION = """
set -eo pipefail
python() {
  case " $* " in
    *" run="*|*"pipeline.report "*|*" --help "*) "$PROGRAM" "$@" ;;
    *) "$PROGRAM" "$@" $MORE ;;
  esac
}
"""


@pytest.fixture
def folder(tmp_path: Path, reviews: Path, finished: Path) -> Path:
    """A user's folder with the files that the page speaks of, and a finished run."""
    with reviews.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    content = {
        "reviews.csv": rows[:150],
        "my reviews, 2024.csv": rows,
        "more.csv": rows[150:190],
        "test.csv": rows[190:],
        "new.csv": rows[:5],
    }
    for name, some in content.items():
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([["review body", "stars"], *some])
    shutil.copytree(finished, tmp_path / "outputs/text_classification/reviews" / finished.name)
    write_files(ROOT / "docs/stages.md", tmp_path)
    return tmp_path


def bash(block: Block, folder: Path, more: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", FUNCTION + block.text],
        cwd=folder,
        env={**quick_environment(), "PROGRAM": str(PYTHON.python), "MORE": " ".join(more)},
        capture_output=True,
        text=True,
        timeout=570,
    )


COMPOSED, NOT_RUN = "composed only: ", "not run: "
BASH = [block for page in PAGES for block in blocks(page, "bash")]
RUN = [block for block in BASH if not block.mark]


def marked(start: str) -> list[Block]:
    return [block for block in BASH if block.mark.startswith(start)]


def first_line(block: object) -> str:
    return block.text.splitlines()[0][:60] if isinstance(block, Block) else ""


@pytest.mark.slow
@pytest.mark.parametrize("block", RUN, ids=first_line)
def test_commands_run(block: Block, folder: Path):
    spoken_of = block in blocks(README, "bash") or re.search("logger|logs|wandb", block.text)
    done = bash(block, folder, SHORTER if spoken_of else SHORTER + UNLOGGED)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in block.text.splitlines() if "pipeline.train " in line]
    several = {
        " -m strategy=lora,full seed=0,1": 4,
        " -m experiment=": 2,
        " -m strategy=frozen": 2,
        " -m sweep=": 2,
        "--help": 0,
        "--cfg": 0,
    }
    several["stages=[pretrain,adapt,finetune]"] = 3
    expected = sum(next((jobs for word, jobs in several.items() if word in line), 1) for line in lines)
    found = folder.glob("outputs/*/*/*/manifest.json")
    runs = [path for path in found if "/reviews/" not in str(path) and not path.parent.is_symlink()]
    assert len(runs) == expected
    assert all((path.parent / "model/model.safetensors").is_file() for path in runs)


@pytest.mark.parametrize("block", marked(COMPOSED), ids=first_line)
def test_commands_that_need_more_than_any_machine_has_compose(block: Block, folder: Path):
    done = bash(block, folder, ["--cfg", "job"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("pipeline.models.checkpoint.Checkpoint") == len(block.text.splitlines())


def test_make_targets_are_there():
    makefile = (ROOT / "Makefile").read_text()
    asked = re.findall(r"\bmake ([a-z-]+)", "".join(block.text for block in marked(NOT_RUN)))
    assert {"install", "test", "help"} <= set(asked)
    assert all(re.search(rf"^{target}:.*##", makefile, re.MULTILINE) for target in asked)


def test_every_block_is_run_or_says_why_not():
    assert len(RUN) + len(marked(COMPOSED)) + len(marked(NOT_RUN)) == len(BASH)


@pytest.mark.parametrize("block", blocks(README, "console"), ids=first_line)
def test_shown_errors_are_what_is_said(block: Block, folder: Path):
    command, said = block.text.split("\n", 1)
    done = bash(block._replace(text=command.removeprefix("$ ")), folder, [])
    assert done.returncode == 2
    assert done.stderr.strip() == said.strip()


@pytest.mark.slow
def test_python_runs(folder: Path):
    (block,) = blocks(GUIDE, "python")
    before = "from pipeline import Run\ntrain = Run.train\n"
    before += f"Run.train = lambda words: train([*words, *{SHORTER}])\n"
    done = subprocess.run(
        [sys.executable, "-c", before + block.text],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^0\.\d+ \[{'label': '(negative|positive)'", done.stdout)


def test_generated_tables_are_fresh():
    check = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(check, cwd=ROOT, env=os.environ.copy(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_changed_table_is_made_anew():
    text = (ROOT / "docs/options.md").read_text(encoding="utf-8")
    assert module("generate").generated(text.replace("| `model` |", "| `modle` |")) == text
    assert "`strategy=lora`" in text


def test_the_picture_shows_a_runs_numbers(finished: Path):
    drawn = ElementTree.fromstring(module("make_picture").picture(finished))
    texts = [node.text for node in drawn.iter() if node.text and node.text.strip()]
    metrics = json.loads((finished / "metrics.json").read_text())
    assert f"test accuracy {metrics['test/accuracy']:.4f}" in texts
    for true, *counts in metrics["tables"]["test/confusion_matrix"][1:]:
        assert {true, *map(str, counts)} <= set(texts)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        *(
            f"docs/{name}.md"
            for name in (
                *("guide", "options", "models", "stages", "strategies", "frozen_part", "export", "scale"),
                *("reports", "sweeps", "launchers", "extending", "decisions"),
            )
        ),
        *TASK_PAGES,
        *DATA_PAGES,
    ],
)
def test_links_lead_somewhere(page: str):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


def module(name: str):
    """A script of docs/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
