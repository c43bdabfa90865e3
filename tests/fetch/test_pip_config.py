import ast
import os
import subprocess
import sys

import pytest

from pipeline.fetch.pip_config import PYPI, read

OWN = [name for name in os.environ if name.startswith("PIP_")]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A machine with no pip settings but those that a test makes."""
    for name in OWN:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.setattr("pipeline.fetch.pip_config.Path.home", lambda: tmp_path)
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def as_pip_says(key):
    """The independent reference: `pip config list`, of which the last line about a key holds."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    for section in (":env:", "install", "global"):
        if f"{section}.{key}" in values:
            return ast.literal_eval(values[f"{section}.{key}"])
    return None


def test_nothing_configured_is_pypi(home, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert read().indexes == (PYPI,)


@pytest.mark.parametrize(
    "files", [["etc"], ["etc", "user"], ["etc", "user", "chosen"], ["user", "env"], ["etc", "chosen", "env"]]
)
def test_the_index_is_the_one_pip_uses(home, monkeypatch, files):
    places = {
        "etc": home / "etc/pip/pip.conf",
        "user": home / ".config/pip/pip.conf",
        "chosen": home / "chosen.conf",
    }
    for name in files:
        if name == "env":
            monkeypatch.setenv("PIP_INDEX_URL", "https://env.example/simple")
        else:
            write(places[name], f"[global]\nindex_url = https://{name}.example/simple\ncert = /{name}.pem\n")
    if "chosen" in files:
        monkeypatch.setenv("PIP_CONFIG_FILE", str(places["chosen"]))
    assert read().indexes[0] == as_pip_says("index-url")
    assert read().cert == as_pip_says("cert")


def test_all_that_says_how_an_index_is_reached(home, monkeypatch):
    write(
        home / ".config/pip/pip.conf",
        "[global]\nindex-url = https://one/simple\nextra-index-url =\n    https://two/simple\n    file:///three\n"
        "trusted-host = one\n    two:8443\nproxy = http://proxy:3128\n[install]\nclient-cert = /client.pem\n",
    )
    config = read()
    assert config.indexes == ("https://one/simple", "https://two/simple", "file:///three")
    assert config.trusted_hosts == ("one", "two:8443")
    assert (config.proxy, config.client_cert) == ("http://proxy:3128", "/client.pem")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert read().indexes == ()
