"""Reloads models without waiting for imports: a process that has imported transformers forks for each of them.

It listens at FOLDER/socket until its standard input ends. A request is a line of JSON, the words for reload.py; its
answer is one too, the exit code and what was said. Each is done by a process of its own, which is as it would be after
its imports: what one loads never reaches another.

For the jobs of a sweep it is a process of its own, `python -I reload_server.py FOLDER`; for a run by itself a fork of
the run, from before torch has computed anything.
"""

import contextlib
import gc
import json
import os
import runpy
import signal
import socket
import socketserver
import sys
import tempfile
import threading
import traceback
from pathlib import Path

# The variable that tells jobs where to ask.
PLACE = "HYDRATUNE_RELOAD_SERVER"
# How long they wait for an answer before they do without: large models take minutes to read.
PATIENCE_SECONDS = 1_800


def ask(place: str, words: list[str]) -> tuple[int, str]:
    """The exit code and what was said on the way. Raises OSError or ValueError where nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(place)
        with connection.makefile("rw", encoding="utf-8") as line:
            line.write(json.dumps(words) + "\n")
            line.flush()
            code, said = json.loads(line.readline())
    return code, said


def fork(folder: str) -> tuple[int, int]:
    """Serve in a fork of this process; what it writes is lost. Its number, and the other end of its standard input.

    To be called before torch has computed anything, because the threads of OpenMP do not survive a fork.
    """
    _import()
    heard, held = os.pipe()
    gc.freeze()  # What is collected in neither process stays shared by both.
    if server := os.fork():
        os.close(heard)
        return server, held
    try:
        os.setsid()  # Ctrl-C in the terminal is not for it.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for old, new in ((heard, 0), (nowhere, 1), (nowhere, 2)):
            os.dup2(old, new)
        os.close(held)
        # As with `python -I`: nothing of this program, nor of the folder in which it was called.
        for name in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
            del sys.modules[name]
        sys.path[:] = [place for place in sys.path if place not in ("", str(Path.cwd()))]
        serve(folder)
    finally:
        os._exit(1)


def serve(folder: str) -> None:
    """Answer until whoever started this process is gone."""
    os.environ.update(HF_HOME=f"{folder}/cache", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
    sys.modules["pipeline"] = None  # type: ignore[assignment]
    _import()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with _Server(f"{folder}/socket.new", _Reload) as server:
        # Whoever sees the socket can ask.
        Path(folder, "socket.new").rename(Path(folder, "socket"))
        server.serve_forever()


def _import() -> None:
    """What reloading takes, whatever the model."""
    import torch  # noqa: F401
    import transformers.modeling_utils
    import transformers.models.auto.modeling_auto  # noqa: F401


def _leave_with_parent() -> None:
    # Not by sys.stdin, which may belong to whoever forked.
    while os.read(0, 1 << 16):
        pass
    os._exit(0)


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 64


class _Reload(socketserver.StreamRequestHandler):
    """In a process of its own."""

    def handle(self) -> None:
        import torch
        from transformers import dynamic_module_utils

        torch.set_num_threads(
            1
        )  # The rows are few, and OpenMP's other threads are none of ours after a fork.
        words, code = json.loads(self.rfile.readline()), 0
        with tempfile.TemporaryDirectory() as own, tempfile.TemporaryFile("w+", encoding="utf-8") as said:
            dynamic_module_utils.HF_MODULES_CACHE = f"{own}/modules"
            with contextlib.redirect_stderr(said):
                try:
                    runpy.run_path(str(Path(__file__).with_name("reload.py")))["main"](*words)
                except SystemExit as left:
                    code = 1
                    said.write(str(left.code))
                except BaseException:  # noqa: BLE001 Whatever it is, whoever asked is told.
                    code = 1
                    traceback.print_exc(file=said)
            said.seek(0)
            self.wfile.write(json.dumps([code, said.read()]).encode() + b"\n")


if __name__ == "__main__":
    serve(sys.argv[1])
