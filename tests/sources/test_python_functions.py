import ast
import inspect
import sysconfig
from pathlib import Path

import pytest

from pipeline.errors import BadInput
from pipeline.sources import python_functions
from pipeline.sources.python_functions import PythonFunctions
from tests.fetch.processes import modules_after

MODULE = '''
import os


def one(a, b=2):
    """Return the sum.

    Of both.
    """
    # A remark.
    return a + b


class Thing:
    @property
    async def two(
        self,
    ):
        "名 🙂"
        text = """
left"""
        return text

    def three(self):
        r"""\\d"""

        return 3

    def long(self):
        """Long."""
        x = 1
        x = 2
        return x


def nothing():
    """Only this."""


def without():
    return 1


def one_line(): """Doc."""; return 1


def same(a, b=2):
    """Other words."""
    return a
'''


@pytest.fixture
def library(tmp_path, monkeypatch):
    folder = tmp_path / "python3"
    (folder / "package" / "tests").mkdir(parents=True)
    (folder / "site-packages").mkdir()
    (folder / "package" / "__init__.py").write_text(MODULE, encoding="utf-8")
    (folder / "broken.py").write_text("def f(:\n")
    for place in ("site-packages", "package/tests"):
        (folder / place / "hidden.py").write_text('def hidden():\n    """Hidden."""\n    return 1\n')
    monkeypatch.setattr(python_functions, "_library", lambda: folder)
    return folder


def test_functions_of_a_module(library):
    rows = {row["name"]: row for row in PythonFunctions(max_lines=3).load()["train"]}
    assert set(rows) == {"one", "three", "same"}
    assert rows["one"] == {
        "prompt": 'def one(a, b=2):\n    """Return the sum.\n\n    Of both."""',
        "code": "def one(a, b=2):\n    # A remark.\n    return a + b",
        "name": "one",
        "module": "package",
    }
    assert rows["three"]["code"] == "def three(self):\n\n    return 3"
    plain = {row["name"]: row for row in PythonFunctions(signature=False).load()["train"]}
    assert plain["one"]["prompt"] == "Return the sum.\n\nOf both." and "long" in plain


def test_the_fingerprint_is_that_of_the_files_and_options(library):
    kinds = [PythonFunctions(), PythonFunctions(signature=False), PythonFunctions(max_lines=3)]
    before = [kind.fingerprint() for kind in kinds]
    assert len(set(before)) == 3
    (library / "site-packages" / "hidden.py").write_text("")
    assert [kind.fingerprint() for kind in kinds] == before
    (library / "broken.py").write_text("def f(::\n")
    assert PythonFunctions().fingerprint() != before[0]


def test_a_library_without_source(tmp_path, monkeypatch):
    monkeypatch.setattr(python_functions, "_library", lambda: tmp_path)
    with pytest.raises(BadInput, match="no library in source"):
        PythonFunctions().fingerprint()


def test_functions_of_the_python_in_use(tmp_path, monkeypatch):
    """A few modules of the real library, against what `inspect` says of them."""
    import posixpath
    import statistics
    import textwrap

    files = [Path(module.__file__) for module in (posixpath, statistics, textwrap)]
    monkeypatch.setattr(python_functions, "_library", lambda: Path(sysconfig.get_paths()["stdlib"]))
    monkeypatch.setattr(PythonFunctions, "_files", lambda self: files)
    rows = PythonFunctions(max_lines=1_000).load()["train"]
    assert len(rows) > 60
    for row in rows:
        (function,) = ast.parse(row["code"]).body
        assert isinstance(function, ast.FunctionDef) and function.name == row["name"]
        (with_docstring,) = ast.parse(row["prompt"] + "\n").body
        assert ast.get_docstring(with_docstring)
    found = {row["name"]: row for row in rows if row["module"] == "posixpath"}
    for name in ("isabs", "join", "commonpath"):
        assert inspect.getdoc(getattr(posixpath, name)) == ast.get_docstring(
            ast.parse(found[name]["prompt"]).body[0]
        )


def test_fingerprint_imports_nothing_heavy(library):
    code = "from pipeline.sources.python_functions import PythonFunctions as P; P().fingerprint(); P().describe()"
    assert not modules_after(code) & {"torch", "datasets", "pandas", "pyarrow", "requests", "numpy", "yaml"}
