"""The pinned versions fit the declared ranges and install on every Python that the project claims."""

import tomllib
from importlib.metadata import distributions

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PINS = {
    canonicalize_name(pin.name): pin.specifier
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
    for pin in [Requirement(line)]
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_direct_dependency_is_pinned_within_its_range():
    extras = [item for items in PROJECT["optional-dependencies"].values() for item in items]
    for wanted in map(Requirement, [*PROJECT["dependencies"], *extras]):
        if wanted.name != PROJECT["name"]:
            (pin,) = PINS[canonicalize_name(wanted.name)]
            assert wanted.specifier.contains(pin.version), wanted


def test_pins_install_on_the_oldest_python():
    """On its very first release, too: distributions keep early ones, and one pin that refuses is enough."""
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    checked = 0
    for there in distributions():
        pin = PINS.get(canonicalize_name(there.name))
        if pin is not None and pin.contains(there.version):
            needs = there.metadata["Requires-Python"] or ""
            assert SpecifierSet(needs).contains(oldest), f"{there.name}{pin} needs Python {needs}"
            checked += 1
    assert checked > 50
