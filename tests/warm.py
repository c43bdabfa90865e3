"""A Python that starts warm: forked from one that has imported the libraries, and nothing of this program.

Importing torch and transformers takes longer than most of what tests ask of a command. `Warm(...).python` is an
executable that takes what `python` takes. Each call is a process of its own, with its own arguments, environment,
folder, standard streams, exit code and signals; what it starts with `sys.executable` is warm too. A cold Python is
started for everything but the modules below, and where variables that libraries read on import are others.

Signals reach the process by way of the one that asked, which ends as it ends. SIGKILL cannot be passed on: a test
that kills takes the number of the process from the file that `TESTS_PROCESS` names.
"""

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

# Libraries read variables of these names when they are imported.
READ_EARLY = ("CUDA", "HF_", "LD_", "MKL_", "OMP_", "PYTHON", "TRANSFORMERS_")
# What is run warm by `-m`, and by `-I` where the warm Python has that flag.
MODULES = ("pipeline.", "benchmarks.", "submitit.core._submit", "tests.launch.", "torch.distributed.run")
SCRIPTS = ("reload.py", "reload_server.py")
# Variables: the Python that reloads models, and a file for the number of the process.
RELOADER, PROCESS = "TESTS_RELOADER", "TESTS_PROCESS"
LIBRARIES = [
    "torch",
    "torch._dynamo",
    "transformers",
    "transformers.modeling_layers",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
]
# What this program and what it is compared with import besides.
MORE = [
    "datasets",
    "hydra",
    "lightning.pytorch",
    "pandas",
    "peft",
    "pydantic",
    "rich.table",
    "sklearn.metrics",
]
MORE += ["hydra.core.override_parser.overrides_parser", "torch.distributed.run", "torchmetrics"]
MORE += ["transformers.trainer", "wandb", "wandb.apis.public", "wandb.sdk.launch"]


class Warm:
    """modules: what is imported before anything is asked. flags: of the interpreter, such as -I."""

    def __init__(self, modules: Sequence[str], *flags: str) -> None:
        self.modules, self.flags = modules, flags

    @cached_property
    def python(self) -> Path:
        """The executable. It is there before the imports are done; the first call waits for them."""
        folder = tempfile.TemporaryDirectory(prefix="warm")
        python, place = Path(folder.name) / "python", Path(folder.name) / "socket"
        server = subprocess.Popen(
            [sys.executable, *self.flags, __file__, "serve", folder.name, *self.modules],
            stdin=subprocess.PIPE,  # It ends with us, who hold the other end.
            start_new_session=True,
        )
        atexit.register(folder.cleanup)
        atexit.register(server.wait)
        atexit.register(server.kill)
        while not place.exists():
            assert server.poll() is None, "it did not start"
            time.sleep(0.005)
        asking = f'"{sys.executable}" -I -S "{__file__}" ask "{folder.name}" "{sys.executable}"'
        python.write_text(f'#!/bin/sh\nexec {asking} "$@"\n')
        python.chmod(0o755)
        return python


# What serves


def serve(folder: str, modules: Sequence[str]) -> None:
    """Fork for everyone who asks. Returns in the process that is to do what was asked."""
    path = [each for each in sys.path[1:] if each not in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    Path(folder, "early").write_text(json.dumps([bool(sys.flags.isolated), early(os.environ)]))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/not yet")
        listener.listen(64)
        Path(folder, "not yet").rename(f"{folder}/socket")
        sys.path[:] = path
        tempfile.tempdir = folder
        for name in modules:
            importlib.import_module(name)
        tempfile.tempdir = None
        gc.freeze()  # Memory that nobody writes to is shared.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            ready, _, _ = select.select([listener, 0], [], [])
            if 0 in ready:
                os._exit(0)
            connection, _ = listener.accept()
            if not os.fork():
                break
            connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, streams = receive(connection)
    child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        attend(connection, child)
    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    do(request["words"], f"{folder}/python")


def receive(connection: socket.socket) -> tuple[dict, list[int]]:
    """What is asked, and three streams."""
    streams = array.array("i")
    said, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(3 * streams.itemsize))
    for _, _, data in ancillary:
        streams.frombytes(data)
    size, text = int.from_bytes(said, "big"), b""
    while len(text) < size:
        text += connection.recv(size - len(text))
    return json.loads(text), list(streams)


def attend(connection: socket.socket, child: int) -> None:
    """Say how the child ends, and end it when nobody is there to hear."""
    connection.sendall(child.to_bytes(8, "big"))
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            connection.sendall(status.to_bytes(8, "big"))
            os._exit(0)
        if select.select([connection], [], [], 0.02)[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os._exit(0)


def do(words: list[str], python: str) -> None:
    """What Python does with these words."""
    if words[0] == "-u":
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
        words = words[1:]
    flag, what, *arguments = words
    sys.argv = [what, *arguments]
    if flag == "-I":
        leave(lambda: runpy.run_path(what, run_name="__main__"))
    given = os.environ.get("PYTHONPATH")
    sys.path[:0] = [str(Path.cwd()), *(given.split(os.pathsep) if given else [])]
    sys.executable = python
    if wandb := sys.modules.get("wandb.sdk.data_types._private"):
        wandb.MEDIA_TMP.__init__("wandb-media")  # Each process deletes its own.
    if reloader := os.environ.get(RELOADER):
        from pipeline.runs import verification

        verification.fresh_python = lambda: reloader
    leave(lambda: runpy.run_module(what, run_name="__main__", alter_sys=True))


def leave(act: Callable[[], object]) -> None:
    """Act, then end as Python would, but leave taking all the imported modules apart to the system."""
    code: object = 0
    try:
        act()
    except SystemExit as left:
        code = left.code or 0
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 255)


# What asks


def ask(folder: str, cold: str, words: list[str]) -> None:
    """Have it done, pass signals on, and end as it ended."""
    # The number is that of the process that was asked for, not of those that it starts.
    number_file = os.environ.pop(PROCESS, None)
    if not is_warm(folder, words):
        if number_file:
            Path(number_file).write_text(str(os.getpid()))
        os.execv(cold, [cold, *words])
    request = {"words": words, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    text = json.dumps(request).encode()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"{folder}/socket")
    streams = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    connection.sendmsg([len(text).to_bytes(8, "big")], streams)
    connection.sendall(text)
    child = int.from_bytes(connection.recv(8), "big")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, lambda number, _: os.kill(child, number))
    if number_file:
        Path(number_file).write_text(str(child))
    for number in (0, 1, 2):
        os.close(number)  # A pipe ends with the child.
    code = os.waitstatus_to_exitcode(int.from_bytes(connection.recv(8), "big"))
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def is_warm(folder: str, words: list[str]) -> bool:
    """Whether what was imported is what would be imported."""
    isolated, variables = json.loads(Path(folder, "early").read_text())
    match words:
        case ["-I", script, *_]:
            return isolated and Path(script).name in SCRIPTS
        case ["-m", module, *_] | ["-u", "-m", module, *_]:
            return not isolated and module.startswith(MODULES) and variables == early(os.environ)
    return False


def early(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith(READ_EARLY) and k != "PYTHONPATH"}


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3:])
    else:
        ask(sys.argv[2], sys.argv[3], sys.argv[4:])
