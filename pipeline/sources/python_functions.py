"""Functions with docstrings of the standard library of the Python in use.

{"prompt": "def isabs(s):\\n    \\"\\"\\"Test whether a path is absolute\\"\\"\\"",
 "code": "def isabs(s):\\n    s = os.fspath(s)\\n    …", "name": "isabs", "module": "posixpath"}
"""

import ast
import hashlib
import os
import platform
import sysconfig
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.sources.base import Source, Split
from pipeline.sources.packaged import Row

if TYPE_CHECKING:
    from datasets import DatasetDict

# Folders of the library that hold no library: packages that were added, tests, a program, what is generated.
_LEFT_OUT = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idlelib",
    "lib2to3",
    "turtledemo",
    "__pycache__",
}
# Raised when the same library gives other rows.
_VERSION = 2
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@component
class PythonFunctions(Source):
    """Functions and methods, as far as they have a docstring and more than that: about 5,000 in Python 3.11.

    Decorators are left out, and so are functions whose code or prompt is that of another one (``__next__`` with the
    docstring of its base class): what is asked in a test is not in training. Functions of a module are of one
    hand: ``split.group_by=module`` keeps them together.
    """

    split: Split = Field(default_factory=lambda: Split(validation=0.1, test=0.1))
    # Whether the line of `def` stands before the docstring in the prompt, which tells name and arguments.
    signature: bool = True
    # Leave out functions that are longer, in lines without the docstring.
    max_lines: Annotated[int, Field(ge=1)] = 40

    licence: ClassVar[str] = "PSF-2.0"

    def load(self) -> "DatasetDict":
        from datasets import Dataset, DatasetDict

        rows: list[Row] = []
        seen: set[str] = set()
        for file in self._files():
            for row in self._rows(file):
                if not seen & {row["code"], row["prompt"]}:
                    rows.append(row)
                seen |= {row["code"], row["prompt"]}
        return DatasetDict({"train": Dataset.from_list(rows)})

    def _rows(self, file: Path) -> Iterator[Row]:
        text = file.read_text(encoding="utf-8", errors="replace")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except SyntaxError:  # Kept there to test what is no Python.
            return
        module = ".".join(file.relative_to(_library()).with_suffix("").parts).removesuffix(".__init__")
        lines = text.splitlines()
        for node in ast.walk(tree):
            if isinstance(node, _Function) and (found := _function(node, lines)):
                head, docstring, code = found
                if code.count("\n") < self.max_lines:
                    quoted = textwrap.indent(f'"""{docstring}"""', "    ")
                    prompt = f"{head}\n{quoted}" if self.signature else docstring
                    yield {"prompt": prompt, "code": code, "name": node.name, "module": module}

    def _files(self) -> list[Path]:
        """The library's files, in the order of their names."""
        library = _library()
        files: list[Path] = []
        for folder, folders, names in os.walk(library):
            folders[:] = [name for name in folders if name not in _LEFT_OUT]
            files += [Path(folder, name) for name in names if name.endswith(".py")]
        files.sort()
        if not files:
            what = f"the Python in use has no library in source in {library}"
            raise BadInput(Problem("data", what, "a Python with its .py files, or data=files"))
        return files

    def fingerprint(self) -> str:
        found = hashlib.sha256(
            f"{_VERSION}/{platform.python_version()}/{self.signature}/{self.max_lines}".encode()
        )
        for file in self._files():
            found.update(str(file.relative_to(_library())).encode())
            found.update(file.read_bytes())
        return found.hexdigest()

    def describe(self) -> dict[str, str]:
        return {"source": f"standard library of Python {platform.python_version()}", "licence": self.licence}


def _library() -> Path:
    return Path(sysconfig.get_paths()["stdlib"])


def _function(node: _Function, lines: list[str]) -> tuple[str, str, str] | None:
    """The line of `def` (or lines), the docstring, and the whole without the docstring; None where there is nothing
    else, or where they share a line."""
    docstring = ast.get_docstring(node)
    if not docstring or len(node.body) < 2:
        return None
    quoted, rest = node.body[0], node.body[1]
    assert node.end_lineno is not None and quoted.end_lineno is not None
    if quoted.lineno == node.lineno or rest.lineno <= quoted.end_lineno:
        return None
    head = lines[node.lineno - 1 : quoted.lineno - 1]
    code = textwrap.dedent("\n".join([*head, *lines[quoted.end_lineno : node.end_lineno]])).rstrip()
    head_text = textwrap.dedent("\n".join(head)).rstrip()
    try:
        (same,) = ast.parse(code).body
    except (SyntaxError, ValueError):  # A text over several lines that reach to the left.
        return None
    wanted = [ast.dump(statement) for statement in node.body[1:]]
    complete = isinstance(same, _Function) and [ast.dump(statement) for statement in same.body] == wanted
    return (head_text, docstring, code) if complete else None
