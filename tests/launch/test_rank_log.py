"""What a process writes is in its log, whoever writes it; a progress bar is for terminals alone."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, sys
from pathlib import Path
from pipeline.launch.rank_log import keep_log
keep_log(Path(sys.argv[1]), on_terminal=sys.argv[2] == "0")
print("said")
print("told", file=sys.stderr)
sys.stderr.write("\\x1b[2K\\x1b[1Abar")
sys.stdout.flush()
os.write(2, b"of a library in C")
"""


def told(path: Path, rank: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), rank], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def test_the_first_one_is_on_the_terminal_too(tmp_path: Path):
    shown = told(tmp_path / "logs/rank0.log", "0")
    assert all(word in shown for word in ("said", "told", "bar", "of a library in C"))
    log = (tmp_path / "logs/rank0.log").read_text()
    assert "said" in log and "told" in log and "bar" not in log


def test_of_the_others_all_is_in_the_log_after_what_was_there(tmp_path: Path):
    path = tmp_path / "logs/rank1.log"
    assert told(path, "1") == "" and told(path, "1") == ""
    assert path.read_text().count("said") == path.read_text().count("of a library in C") == 2
