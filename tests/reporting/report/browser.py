"""A real browser without a window: what it makes of a page, and what it complains about."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@dataclass(frozen=True)
class Seen:
    """dom: the document after its scripts. console: what they, or the browser about the page, have said."""

    dom: str
    console: list[str]


def look_at(page: Path) -> Seen:
    assert CHROMIUM
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                f"--user-data-dir={profile}",
                "--enable-logging=stderr",
                "--virtual-time-budget=2000",
                "--dump-dom",
                page.absolute().as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
    return Seen(done.stdout, re.findall(r"CONSOLE.*", done.stderr))


# What a browser would fetch outside of the page; a link waits for a click.
FETCHED = re.compile(
    r"""(?:src|(?<!<a )href|action|poster)\s*=\s*["']?(?!#|data:)[\w./:]|url\(|@import|fetch\(|XMLHttp"""
)


def fetched(text: str) -> list[str]:
    """What in a page asks for something outside of it."""
    return [found[0] for found in FETCHED.finditer(text)]
