"""Whether a user is logged in to Weights & Biases: where wandb itself looks, but without importing it."""

import configparser
import netrc
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

CLOUD = "https://api.wandb.ai"


Mode = Literal["online", "offline", "disabled"]
# wandb's words, its older ones included.
MODES: dict[str, Mode] = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}


def environment_mode() -> Mode | None:
    """What the environment or wandb's settings files say: online, offline, disabled, or None."""
    if os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes"):
        return "disabled"
    said = os.environ.get("WANDB_MODE") or settings().get("mode", "")
    return MODES.get(said.strip().lower())


def logged_in() -> bool:
    """Whether wandb would find credentials for its server."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    saved = settings()
    server = os.environ.get("WANDB_BASE_URL") or saved.get("base_url") or CLOUD
    return bool(saved.get("api_key")) or in_netrc(urlsplit(server).netloc)


def settings() -> dict[str, str]:
    """wandb's own settings files: the user's, then those of the current folder."""
    config = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser()
    folder = Path(os.environ.get("WANDB_DIR") or ".")
    found = configparser.ConfigParser(interpolation=None)
    for path in (config / "settings", folder / "wandb" / "settings", folder / ".wandb" / "settings"):
        try:
            found.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue  # wandb reads a broken file as an empty one.
    return dict(found["default"]) if found.has_section("default") else {}


def in_netrc(host: str) -> bool:
    """Whether the user's netrc file holds a password for ``host``."""
    given = os.environ.get("NETRC")
    for path in [given] if given else ["~/.netrc", "~/_netrc"]:
        try:
            entry = netrc.netrc(Path(path).expanduser()).authenticators(host)
        except (netrc.NetrcParseError, OSError):
            continue
        if entry and entry[2]:
            return True
    return False
