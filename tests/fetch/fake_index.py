"""A package index served over HTTP from memory, and archives to put on it."""

import base64
import hashlib
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class FakeIndex:
    """Simple repository API (PEP 503). ``packages`` maps file names to bytes; one project, ``demo``."""

    def __init__(self):
        self.packages: dict[str, bytes] = {}
        self.digests = True
        self.login: str | None = None
        # Answers before the real one: a status, or "cut" (half of the bytes, then the connection ends).
        self.faults: list[int | str] = []
        self.requests: list[str] = []
        self.config: Path

    def add(self, name: str, content: bytes) -> str:
        self.packages[name] = content
        return hashlib.sha256(content).hexdigest()

    def fragment(self, content: bytes) -> str:
        return "#sha256=" + hashlib.sha256(content).hexdigest() if self.digests else ""

    def page(self) -> bytes:
        links = [
            f'<a href="/files/{name}{self.fragment(content)}">{name}</a>'
            for name, content in self.packages.items()
        ]
        return ("<!DOCTYPE html><html><body>" + "<br>".join(links) + "</body></html>").encode()

    def __enter__(self):
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                index.requests.append(self.path)
                credentials = "Basic " + base64.b64encode((index.login or "").encode()).decode()
                if index.login and self.headers.get("Authorization") != credentials:
                    return self.answer(401, b"")
                if self.path == "/simple/demo/":
                    return self.answer(200, index.page())
                name = self.path.removeprefix("/files/")
                if name not in index.packages:
                    return self.answer(404, b"")
                if not index.faults:
                    return self.answer(200, index.packages[name])
                fault = index.faults.pop(0)
                if fault == "cut":
                    return self.answer(200, index.packages[name], cut=True)
                return self.answer(fault, b"")

            def answer(self, status, content, cut=False):
                self.send_response(status)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if cut else content)
                self.close_connection = True

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()


def wheel(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def tarball(files: dict[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in extra:
            archive.addfile(member)
    return content.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    return member
