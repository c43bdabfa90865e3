"""What is read of rows with code, and what is run."""

import pytest

from pipeline.tasks.code.programs import asserts_of, code_of, description, program, right_code

ROW = {"prompt": "Add.\r\nTwo.", "tests": ["assert f(1) == 1", "assert f(2) == 2"], "setup": "x = 1\r\n"}


def test_tests_in_any_form() -> None:
    for cell, expected in [
        (["a", "b"], ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),
        ("[f(x) for x in y]\nassert x", ["[f(x) for x in y]\nassert x"]),
        ("assert f()\r\nassert g()", ["assert f()\nassert g()"]),
        ("", []),
        (None, []),
        (["a", " "], ["a"]),
    ]:
        assert asserts_of({"tests": cell}) == expected
    for cell in (3, [1], {"a": 1}, "[1, 2]"):
        with pytest.raises(ValueError, match="has no list of tests"):
            asserts_of({"tests": cell})


def test_a_program_is_code_then_setup_then_tests() -> None:
    assert program("code", ROW) == "code\n\nx = 1\n\n\nassert f(1) == 1\n\nassert f(2) == 2"
    assert program("code", {"tests": None, "setup": None}) == "code\n\n"


def test_prompts_with_tests_name_the_function() -> None:
    assert description(ROW, 0) == "Add.\nTwo."
    assert description(ROW, 1) == "Add.\nTwo.\nassert f(1) == 1"
    assert description(ROW, 9).endswith("assert f(2) == 2")
    with pytest.raises(ValueError, match="has no text"):
        description({"prompt": "  "}, 0)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def f():\n    pass\n\n", "def f():\n    pass"),
        ("\n\n    return 1 ", "    return 1"),
        ("Here it is:\n```python\ndef f():\n    pass\n```\nIt does nothing.", "def f():\n    pass"),
        ("```\nx = 1", "x = 1"),
        ("x = '```'", "x = '```'"),
        ("", ""),
    ],
)
def test_code_in_what_was_written(text: str, code: str) -> None:
    assert code_of(text) == code


def test_right_code_has_unix_lines_and_its_tabs() -> None:
    assert right_code("R = 3\r\ndef f(): \r\n\treturn R\r\n") == ["R = 3\ndef f(): \n\treturn R"]
    assert right_code(["a", "b"]) == ["a", "b"]
    for cell in ("", " ", None, 3, []):
        with pytest.raises(ValueError, match="has no text"):
            right_code(cell)
