"""A hub on this machine: as much of the Hugging Face hub's HTTP API as its client needs to read."""

import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.fetch.processes import run_python

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """``repos`` maps ``models/owner/name`` and ``datasets/owner/name`` to files, or to an error code."""

    def __init__(self):
        self.repos: dict[str, dict[str, bytes] | str] = {}
        self.revisions = {"main": COMMIT, "v1": COMMIT, COMMIT: COMMIT}
        self.requests: list[str] = []

    def __enter__(self):
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_request(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = unquote(urlsplit(self.path).path)
                hub.requests.append(f"{self.command} {path}")
                self.answer(*hub.respond(path, body))

            do_GET = do_HEAD = do_POST = handle_request  # noqa: N815

            def answer(self, status, content, headers):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()

    def respond(self, path, body):
        """Status, content and headers."""
        parts = path.strip("/").split("/")
        is_api = parts[0] == "api"
        parts = parts[1:] if is_api else parts
        if parts[0] not in ("models", "datasets"):
            parts = ["models", *parts]
        repo = self.repos.get("/".join(parts[:3]), "RepoNotFound")
        if isinstance(repo, str):
            return 403 if repo == "GatedRepo" else 404, b"{}", {"X-Error-Code": repo}
        kind, *rest = parts[3:] or ["revision"]
        commit = self.revisions.get(rest[0] if rest else "main")
        if commit is None:
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        if not is_api:
            return self.file(repo, "/".join(rest[1:]))
        listing = [
            {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            for name, content in repo.items()
        ]
        if kind == "tree":
            folder = "/".join(rest[1:])
            return as_json([file for file in listing if not folder or file["path"].startswith(folder + "/")])
        if kind == "paths-info":
            wanted = json.loads(body)["paths"]
            return as_json([file for file in listing if file["path"] in wanted])
        siblings = [{"rfilename": name} for name in repo]
        return as_json({"id": "/".join(parts[1:3]), "sha": commit, "siblings": siblings, "tags": []})

    def file(self, repo, name):
        if name not in repo:
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
        content = repo[name]
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        return 200, content, {"X-Repo-Commit": COMMIT, "ETag": etag, "Accept-Ranges": "none"}


def as_json(value):
    return 200, json.dumps(value).encode(), {"Content-Type": "application/json"}


def run_with_hub(code, **environment):
    """Standard output of ``code`` in a new process: the hub's client reads its settings at import."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))
    }
    return run_python(code, {**kept, "HF_HUB_DISABLE_TELEMETRY": "1", **environment})
