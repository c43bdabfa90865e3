"""Templates: texts made of several columns, and words in the place of label values.

a template      {"texts": {"text": "{{ title }}: {{ body }}"}, "labels": {"0": "negative", "1": "positive"}}
a row of data   {"title": "Dull", "body": "I fell asleep.", "label": 0}
what a task has {"text": "Dull: I fell asleep.", "label": "negative"}
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from pipeline.component import component

if TYPE_CHECKING:
    from jinja2 import Template as Compiled
    from jinja2.sandbox import ImmutableSandboxedEnvironment


class TemplateError(ValueError):
    """A row that a template makes nothing of; the message says why."""


def _parses(text: str) -> str:
    from jinja2 import TemplateSyntaxError

    try:
        _environment().parse(text)
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno} of the template: {error.message}") from error
    return text


@component
class Template:
    """Jinja texts over the columns of the data, rendered in a sandbox, and names for labels.

    A text may name any column of the data, or a name that ``data.columns`` gives to one. Where a column that it names
    is empty, what it makes is empty too, unless the text asks for the column first: ``{% if title %}``.
    """

    # Role of the task -> the text that plays it.
    texts: dict[str, Annotated[str, AfterValidator(_parses)]] = Field(default_factory=dict)
    # Value in the column `label` (of the data) -> the word that takes its place.
    labels: dict[str, str] = Field(default_factory=dict)

    def names(self, role: str) -> frozenset[str]:
        """The columns that the text of a role names."""
        return _names(self.texts[role])[0]

    def needed(self, role: str) -> frozenset[str]:
        """Those of them in which there has to be something."""
        return _names(self.texts[role])[1]

    def render(self, role: str, cells: Mapping[str, Any]) -> str | None:
        """The text of a role from the cells of one row, by the names in it.

        None where a needed cell is None, empty where one is blank: the task decides what becomes of such a row.
        Raises TemplateError where an expression has no value, as of a key that a cell lacks.
        """
        needed = [cells[name] for name in self.needed(role)]
        if None in needed:
            return None
        if any(isinstance(cell, str) and not cell.strip() for cell in needed):
            return ""
        given = {name: "" if cells.get(name) is None else cells[name] for name in self.names(role)}
        try:
            return _compiled(self.texts[role]).render(given)
        except Exception as error:
            # An expression can fail in as many ways as Python's can.
            raise TemplateError(str(error) or type(error).__name__) from error

    def word(self, cell: Any, class_names: list[str] | None = None) -> Any:
        """What takes the place of a label; of each in a list. None stays None. Raises KeyError for another value.

        class_names: of a column that stores numbers of classes.
        """
        if cell is None:
            return None
        if isinstance(cell, list | tuple):
            return [self.word(one, class_names) for one in cell]
        if class_names is not None and isinstance(cell, int) and 0 <= cell < len(class_names):
            name = class_names[cell]
            return self.labels[name] if name in self.labels else self.labels[str(cell)]
        if isinstance(cell, bool):
            return self.labels[str(cell).lower()]
        # A column of whole numbers in which a cell is empty is one of floats.
        return self.labels[str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)]


@lru_cache
def _environment() -> "ImmutableSandboxedEnvironment":
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined)


@lru_cache
def _compiled(text: str) -> "Compiled":
    return _environment().from_string(text)


@lru_cache
def _names(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names that a text does not set itself, and those of them that it does not test."""
    from jinja2 import meta, nodes

    tree = _environment().parse(text)
    names = frozenset(meta.find_undeclared_variables(tree)) - _environment().globals.keys()
    tests = [node.test for node in tree.find_all(nodes.If)]
    tests += [node.test for node in tree.find_all(nodes.CondExpr)]
    # A root of its own for each: find_all looks below the node that it is asked of.
    tested = {name.name for test in tests for name in nodes.Not(test).find_all(nodes.Name)}
    return names, names - tested
