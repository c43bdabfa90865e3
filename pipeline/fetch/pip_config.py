"""Where pip would look for a package: its configuration files and environment variables, as pip reads them.

https://pip.pypa.io/en/stable/topics/configuration/
"""

import configparser
import os
import sys
from dataclasses import dataclass
from pathlib import Path

PYPI = "https://pypi.org/simple"


@dataclass(frozen=True)
class PipConfig:
    """The part of pip's configuration that says how an index is reached."""

    # Base URLs in the order of asking; credentials may be in them, so never show one as it is.
    indexes: tuple[str, ...] = (PYPI,)
    # A file of certificates to trust, a client certificate, a proxy URL.
    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = None
    # Hosts (``host`` or ``host:port``) whose certificate is not checked.
    trusted_hosts: tuple[str, ...] = ()


def read() -> PipConfig:
    """pip's configuration as it holds for this interpreter and environment."""
    values: dict[str, str] = {}
    for file in _files():
        values |= _file_values(file)
    values |= {
        name[4:].lower().replace("_", "-"): value
        for name, value in os.environ.items()
        if name.startswith("PIP_") and value
    }
    indexes = [*values.get("index-url", PYPI).split()[:1], *values.get("extra-index-url", "").split()]
    if values.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        indexes = []
    return PipConfig(
        indexes=tuple(dict.fromkeys(indexes)),
        cert=values.get("cert"),
        client_cert=values.get("client-cert"),
        proxy=values.get("proxy"),
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
    )


def _files() -> list[Path]:
    """pip's configuration files, the weakest first (global, user, environment, PIP_CONFIG_FILE)."""
    chosen = os.environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    home = Path.home()
    if sys.platform == "win32":
        name = "pip.ini"
        system = [Path(os.environ.get("PROGRAMDATA", "C:/ProgramData")) / "pip"]
        user = [home / "pip", Path(os.environ.get("APPDATA", home / "AppData/Roaming")) / "pip"]
    else:
        name = "pip.conf"
        config_home = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        system = [*(Path(folder) / "pip" for folder in shared.split(os.pathsep)), Path("/etc")]
        user = [home / ".pip", config_home / "pip"]
        if sys.platform == "darwin":
            system = [Path("/Library/Application Support/pip")]
            on_mac = home / "Library/Application Support/pip"
            user = [home / ".pip", on_mac if on_mac.is_dir() else home / ".config/pip"]
    # A file chosen by name stands in for the user's own.
    personal = [] if chosen and Path(chosen).exists() else user
    files = [folder / name for folder in (*system, *personal, Path(sys.prefix))]
    return files + ([Path(chosen)] if chosen else [])


def _file_values(file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(file)
    except (configparser.Error, UnicodeDecodeError, OSError):
        # pip itself complains about a broken file, and louder than we could; it has nothing to tell us here.
        return {}
    values: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            values |= {key.lower().replace("_", "-"): value for key, value in parser.items(section)}
    return values
