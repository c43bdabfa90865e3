"""Every task has a page with a command, and the command works on rows of that task."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PYTHON, ROOT, quick_environment
from tests.documents import blocks

TASKS = sorted(path.stem for path in (ROOT / "conf/task").glob("*.yaml"))
PAGES = {name: ROOT / f"docs/tasks/{name}.md" for name in TASKS}
SHORTER = "data.limit=12 trainer.max_steps=1 trainer.batch_size=4 hardware.threads=1 logger=none"
# Of a real language model every token costs.
SHORT_TEXTS = " task.generation.max_new_tokens=2"
SAMPLES = Path(__file__).parent / "samples"
FUNCTION = 'set -eo pipefail\npython() { "$PROGRAM" "$@" $MORE; }\n'


@pytest.mark.parametrize("task", TASKS)
def test_there_is_a_page_and_rows(task: str):
    lines = PAGES[task].read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ") and len(lines) < 80
    rows = [json.loads(line) for line in (SAMPLES / f"{task}.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) >= 12
    assert any("pipeline.train" in block.text for block in blocks(PAGES[task], "bash"))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_the_first_command_runs(task: str, tmp_path: Path):
    """What comes first on a page is training; the rest of a page is about what it left."""
    (tmp_path / f"{task}.jsonl").write_bytes((SAMPLES / f"{task}.jsonl").read_bytes())
    block = next(block for block in blocks(PAGES[task], "bash") if "pipeline.train" in block.text)
    assert not block.mark
    writes = "\ngeneration:" in (ROOT / f"conf/task/{task}.yaml").read_text(encoding="utf-8")
    done = subprocess.run(
        ["bash", "-c", FUNCTION + block.text],
        cwd=tmp_path,
        env={**quick_environment(), "PROGRAM": str(PYTHON.python), "MORE": SHORTER + SHORT_TEXTS * writes},
        capture_output=True,
        text=True,
        timeout=570,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list(tmp_path.glob("outputs/*/*/*/model/model.safetensors"))) == 1
