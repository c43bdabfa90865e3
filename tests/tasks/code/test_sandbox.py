"""A program can harm nobody: not by taking too much, nor by starting others, reading, writing or calling out."""

import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.tasks.code.sandbox import Outcome, Sandbox

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no limits on this system")
QUICK = Sandbox(seconds=1, wall_seconds=3)
IN_FORCE = QUICK.protections() if os.name == "posix" else []
needs_seccomp = pytest.mark.skipif("seccomp" not in IN_FORCE, reason="this system has no seccomp")
needs_landlock = pytest.mark.skipif("landlock" not in IN_FORCE, reason="this system has no Landlock")


def test_what_is_in_force() -> None:
    assert "limits" in IN_FORCE
    if sys.platform == "linux" and os.environ.get("CI"):
        assert {"seccomp", "landlock"} <= set(IN_FORCE)


def test_a_program_that_is_right_passes() -> None:
    program = (
        "import math, re, collections, itertools, heapq, json\ndef f(x):\n    return x + 1\nassert f(1) == 2"
    )
    assert QUICK.run(program) == Outcome(True)


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("assert 1 == 2, 'no'", "AssertionError: no"),
        ("def f(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; sys.exit()", "SystemExit"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import os; os._exit(0)", "ended by the system"),
        ("quit()", "SystemExit"),
        ("f = lambda: f()\nf()", "RecursionError"),
        ("x = '\\0'\nexec(x)", "SyntaxError"),
        ("input()", ""),
        ("raise type('🙂' * 300, (Exception,), {})()", "🙂🙂"),
    ],
)
def test_what_does_not_end_by_itself_does_not_pass(program: str, what: str) -> None:
    outcome = QUICK.run(program)
    assert not outcome.passed and what in outcome.what


@pytest.mark.parametrize("program", ["while True: pass", "import time; time.sleep(60)", "x = 9**9**9"])
def test_endless_programs_end(program: str) -> None:
    start = time.monotonic()
    assert not QUICK.run(program).passed
    assert time.monotonic() - start < 10


def test_memory_is_limited() -> None:
    outcome = QUICK.run("x = []\nwhile True: x.append(bytes(10**8))")
    assert not outcome.passed and ("MemoryError" in outcome.what or "system" in outcome.what)


def test_a_program_may_write_small_files_in_its_own_folder() -> None:
    assert QUICK.run("open('a', 'w').write('x')\nassert open('a').read() == 'x'").passed
    assert not QUICK.run("open('a', 'wb').write(b'x' * 2**22)").passed


def test_much_output_is_thrown_away() -> None:
    assert QUICK.run("import sys\nprint('x' * 10**7)\nsys.stderr.write('x' * 10**7)") == Outcome(True)


def test_secrets_in_the_environment_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "abc")
    program = "import os\nassert 'MY_TOKEN' not in os.environ and 'abc' not in str(dict(os.environ))"
    assert QUICK.run(program) == Outcome(True)


def test_the_word_of_success_cannot_be_guessed_or_found() -> None:
    program = "import os\nfor fd in range(3, 20):\n    try: os.write(fd, b'passed')\n    except OSError: pass\n1 / 0"
    assert not QUICK.run(program).passed
    assert not QUICK.run(
        "import sys\nassert sys.stdin is None or sys.stdin.closed\nassert sys.argv == ['']\n1 / 0"
    ).passed


@needs_seccomp
@pytest.mark.parametrize(
    "program",
    [
        "import os\nos.fork()",
        "import os\nwhile True: os.fork()",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nassert os.system('true') == 0",
        "import multiprocessing as m\np = m.get_context('fork').Process(target=print)\np.start()",
        "import os\nos.execv('/bin/true', ['true'])",
        "import socket\nsocket.socket()",
        "import socket\nsocket.socket(socket.AF_UNIX)",
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1')",
        "import os\nos.kill(os.getppid(), 9)",
        "import os\nos.killpg(0, 9)",
        "import os\nopen('a', 'w')\nos.chmod('a', 0o777)",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (100, 100))",
    ],
)
def test_no_processes_network_or_signals(program: str) -> None:
    outcome = QUICK.run(program)
    assert not outcome.passed and "took too long" not in outcome.what


@needs_seccomp
def test_threads_are_allowed() -> None:
    program = "import threading\nx = []\nt = threading.Thread(target=x.append, args=[1])\nt.start()\nt.join()\nassert x"
    assert QUICK.run(program) == Outcome(True)


@needs_seccomp
def test_nobody_is_called(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1)
        port = server.getsockname()[1]
        calls: list[object] = []

        def listen() -> None:
            try:
                calls.append(server.accept())
            except TimeoutError:
                return

        thread = threading.Thread(target=listen)
        thread.start()
        QUICK.run(f"import socket\nsocket.create_connection(('127.0.0.1', {port}))")
        thread.join()
    assert not calls


@needs_landlock
def test_files_of_others_are_neither_read_nor_written(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("secret")
    for program in [
        f"open({str(mine)!r}).read()",
        f"open({str(mine)!r}, 'w')",
        f"import os\nos.remove({str(mine)!r})",
        f"import shutil\nshutil.rmtree({str(tmp_path)!r})",
        f"import os\nos.listdir({str(tmp_path)!r})",
        f"import os\nos.symlink({str(mine)!r}, 'link')\nopen('link').read()",
        f"import os\nos.truncate({str(mine)!r}, 0)",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        "open('/etc/passwd')",
        "import os\nopen(f'/proc/{os.getppid()}/environ').read()",
    ]:
        outcome = QUICK.run(program)
        assert not outcome.passed and "PermissionError" in outcome.what, program
    assert mine.read_text() == "secret" and not (tmp_path / "new").exists()


def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    QUICK.run("import os\nos.makedirs('a/b')\nopen('a/b/c', 'w')")
    assert not list(tmp_path.iterdir())


def test_many_programs_at_once_keep_their_order() -> None:
    programs = [f"assert {number} % 3" for number in range(9)]
    assert [outcome.passed for outcome in QUICK.run_all(programs)] == [number % 3 > 0 for number in range(9)]
