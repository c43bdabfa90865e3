"""The licence of a model's weights as model hubs read it."""

import re

# Names without spaces are taken for SPDX identifiers, which hubs write in lower case.
_IDENTIFIER = re.compile(r"[A-Za-z0-9][\w.+-]*")


def licence_lines(licence: str | None) -> list[str]:
    """Lines of a card's front matter. None where nothing is known of the weights that training started from."""
    if not licence:
        return []
    if _IDENTIFIER.fullmatch(licence):
        return [f"license: {licence.lower()}"]
    return ["license: other", f"license_name: {licence.lower().replace(' ', '-')}"]


def licence_text(licence: str | None) -> str:
    """The same for a reader."""
    if not licence:
        return "Nothing is known of the licence of the weights that training started from (`model.licence`)."
    return f"The weights that training started from are under: {licence}."
