"""Reloads models for the jobs of a sweep: a process that has imported transformers, and nothing of this program, forks.

Run as `python -I reload_server.py FOLDER`: listens at FOLDER/socket until its standard input ends. A request is a line
of JSON, the words for reload.py; its answer is one too, the exit code and what was said. Each is done by a process of
its own, which is as it would be after its imports: what one loads never reaches another.
"""

import contextlib
import json
import os
import runpy
import socket
import socketserver
import sys
import tempfile
import threading
import traceback
from pathlib import Path

# The variable that tells jobs where to ask.
PLACE = "HYDRATUNE_RELOAD_SERVER"


def ask(place: str, words: list[str]) -> tuple[int, str]:
    """The exit code and what was said on the way. Raises OSError or ValueError where nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(place)
        with connection.makefile("rw", encoding="utf-8") as line:
            line.write(json.dumps(words) + "\n")
            line.flush()
            code, said = json.loads(line.readline())
    return code, said


def serve(folder: str) -> None:
    """Import what reloading takes, then answer until whoever started this process is gone."""
    os.environ.update(HF_HOME=f"{folder}/cache", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
    sys.modules["pipeline"] = None  # type: ignore[assignment]
    import torch  # noqa: F401
    import transformers.modeling_utils
    import transformers.models.auto.modeling_auto  # noqa: F401

    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with _Server(f"{folder}/socket.new", _Reload) as server:
        # Whoever sees the socket can ask.
        Path(folder, "socket.new").rename(Path(folder, "socket"))
        server.serve_forever()


def _leave_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 64


class _Reload(socketserver.StreamRequestHandler):
    """In a process of its own."""

    def handle(self) -> None:
        from transformers import dynamic_module_utils

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
