"""From facts to a page: templates of Jinja, which escape every text that they show."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **facts: Any) -> str:
    """The page that ``template`` makes of ``facts``; everything that it needs is in it."""
    return (
        _environment()
        .get_template(template)
        .render(
            css=_asset("page.css"),
            js=_asset("page.js"),
            written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
            **facts,
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["numeric"] = _is_numeric
    return environment


def _is_numeric(cell: Any) -> bool:
    if isinstance(cell, (int, float)):
        return True
    try:
        float(str(cell).replace(",", ""))
    except ValueError:
        return False
    return True


def _asset(name: str) -> Markup:
    """A file of ours, which is no text to be escaped."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))
