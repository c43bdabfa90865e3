"""A Python that starts warm: forked from one that has imported the libraries, and nothing of this program.

Importing torch and transformers takes longer than most of what tests ask of a command. `Warm(...).python` is an
executable that takes what `python` takes. Each call is a process of its own, with its own arguments, environment,
folder, standard streams, exit code and signals. Where libraries would be imported in another way than they were
(another script than this program's modules, other variables that they read), a cold Python is started instead.
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
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

# Libraries read variables of these names when they are imported.
READ_EARLY = ("CUDA", "HF_", "LD_", "MKL_", "OMP_", "PYTHON", "TORCH", "TRANSFORMERS_")
# Where a command finds the Python that reloads models.
RELOADER = "TESTS_RELOADER"
LIBRARIES = [
    "torch",
    "torch._dynamo",
    "transformers",
    "transformers.modeling_layers",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
]
# What this program imports besides when it trains.
MORE = ["datasets", "hydra", "lightning.pytorch", "pandas", "peft", "pydantic", "sklearn.metrics", "torchmetrics"]
MORE += ["hydra.core.override_parser.overrides_parser", "rich.console", "rich.table"]


class Warm:
    """flags: of the interpreter, such as -I. modules: what is imported before anything is asked."""

    def __init__(self, modules: Sequence[str], *flags: str, **variables: str) -> None:
        self.modules, self.flags, self.variables = modules, flags, variables

    @cached_property
    def python(self) -> Path:
        """The executable. It is there before the imports are done; the first call waits for them."""
        folder = tempfile.TemporaryDirectory(prefix="warm")
        place = Path(folder.name) / "socket"
        server = subprocess.Popen(
            [sys.executable, *self.flags, __file__, "serve", str(place), *self.modules],
            env={**os.environ, **self.variables},
            stdin=subprocess.PIPE,  # Whose end is the server's.
            start_new_session=True,
        )
        atexit.register(folder.cleanup)
        atexit.register(server.kill)
        while not place.exists():
            assert server.poll() is None, "it did not start"
            time.sleep(0.005)
        python = Path(folder.name) / "python"
        asking = f'"{sys.executable}" -I -S "{__file__}" ask "{place}"'
        python.write_text(f'#!/bin/sh\nexec {asking} "$@"\n')
        python.chmod(0o755)
        return python


def serve(place: str, modules: Sequence[str]) -> None:
    """Fork for everyone who asks. Returns in the process that is to do what was asked."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place + "~")
        listener.listen(64)
        Path(place + "~").rename(place)
        read_early = early(os.environ)
        sys.path.pop(0)  # This folder.
        for name in modules:
            importlib.import_module(name)
        gc.freeze()  # Memory that is not written to is not copied.
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
    do(request["words"], cold=early(os.environ) != read_early)


def do(words: list[str], cold: bool) -> None:
    """What Python does with these words."""
    match words:
        case ["-m", module, *arguments] if module.startswith("pipeline.") and not cold:
            sys.path.insert(0, os.getcwd())
            if RELOADER in os.environ:
                reload_warm(os.environ[RELOADER])
            sys.argv = [module, *arguments]
            leave(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))
        case ["-I", script, *arguments]:
            sys.argv = [script, *arguments]
            leave(lambda: runpy.run_path(script, run_name="__main__"))
        case _:
            os.execv(sys.executable, [sys.executable, *words])


def leave(act: Callable[[], object]) -> None:
    """Act, then end as Python would, but leave taking all the imported modules apart to the system."""
    code: object = 0
    try:
        act()
    except SystemExit as left:
        code = left.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 255 if isinstance(code, int) else 1)


def reload_warm(python: str) -> None:
    """What a run has saved is reloaded by this Python."""
    from pipeline.runs import verification

    verification.fresh_python = lambda: python


def early(environment: os._Environ) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_EARLY)}


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


def ask(place: str, words: list[str]) -> None:
    """Have it done, pass signals on, and end as it ended."""
    request = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
    text = json.dumps(request).encode()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(place)
    streams = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    connection.sendmsg([len(text).to_bytes(8, "big")], streams)
    connection.sendall(text)
    child = int.from_bytes(connection.recv(8), "big")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(child, number))
    for number in (0, 1, 2):
        os.close(number)  # So that a pipe ends when the child does.
    code = os.waitstatus_to_exitcode(int.from_bytes(connection.recv(8), "big"))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3:])
    else:
        ask(sys.argv[2], sys.argv[3:])
