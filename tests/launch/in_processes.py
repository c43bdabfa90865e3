"""Several frozen runs one after another in two processes, as torchrun would start them: imports are paid for once."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import PYTHON, ROOT, quick_environment
from tests.launch.ports import free_port

SIZE = 2


def frozen(*overrides: str) -> Path:
    """A run directory for two processes, in which nobody has worked yet."""
    from pipeline.compose.command_line import Call, check
    from pipeline.starting import prepare_start

    (stage,) = check(Call("train", overrides))
    return prepare_start(stage.composed, stage.spec).freeze_or_resume()[0].folder


def work_in_two(folders: Sequence[Path], seconds: float = 150) -> None:
    """Bring the runs to their end. Raises AssertionError with what the processes said where one fails."""
    port, words = free_port(), ["-m", "tests.launch.in_processes", *map(str, folders)]
    processes = [
        subprocess.Popen(
            [PYTHON.python, *words],
            cwd=ROOT,
            env={**quick_environment(), **_place(rank, port)},
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(SIZE)
    ]
    try:
        said = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    logs = [path.read_text()[-3000:] for folder in folders for path in sorted(folder.glob("logs/rank*.log"))]
    assert [process.returncode for process in processes] == [0] * SIZE, "\n".join(map(str, [*said, *logs]))


def _place(rank: int, port: int) -> dict[str, str]:
    numbers = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": SIZE,
        "LOCAL_WORLD_SIZE": SIZE,
        "GROUP_RANK": 0,
    }
    numbers |= {"GROUP_WORLD_SIZE": 1, "MASTER_PORT": port, "TORCHELASTIC_RESTART_COUNT": 0}
    texts = {
        "MASTER_ADDR": "localhost",
        "TORCHELASTIC_RUN_ID": "test",
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    }
    return {**{name: str(number) for name, number in numbers.items()}, **texts}


if __name__ == "__main__":
    from contextlib import suppress

    from pipeline.errors import Interrupted
    from pipeline.starting import work_on

    os.chdir(Path(sys.argv[1]).parent)
    for each in sys.argv[1:]:
        # One that is asked to stop ends its command, of which there is one for each run elsewhere.
        with suppress(Interrupted):
            work_on(each)
