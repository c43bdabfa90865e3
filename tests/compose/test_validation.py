from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, model_validator

from pipeline.component import component
from pipeline.compose.validation import validate
from pipeline.compose.words import words


@component
class Inner:
    fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    by: str | None = None


@component
class Part:
    lr: Annotated[float, Field(gt=0)]
    steps: Annotated[int, Field(ge=1)] | None = None
    devices: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    precision: Literal["auto", "32", "bf16"] = "auto"
    name: str | None = None
    shuffle: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    columns: dict[str, str] = Field(default_factory=dict)
    inner: Inner = Field(default_factory=Inner)
    names: list[str] | str = "all"
    free: Any = None
    weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = None

    @model_validator(mode="after")
    def consistent(self) -> "Part":
        if self.name == "never":
            raise ValueError("a name may not be 'never'")
        return self


def problems(**values):
    part, found = validate(Part, {"lr": 0.1, **values}, "part")
    assert part is None
    return {problem.where: problem for problem in found}


def test_what_the_command_line_gives_is_taken():
    values = {
        "lr": 1,
        "precision": 32,
        "name": 2024,
        "betas": [0, 0.5],
        "columns": {"text": 3},
        "names": ["a", 7],
    }
    part, found = validate(Part, values, "part")
    assert not found and part is not None
    assert (part.lr, part.precision, part.name, part.betas) == (1.0, "32", "2024", (0.0, 0.5))
    assert part.columns == {"text": "3"} and part.names == ["a", "7"]


@pytest.mark.parametrize(
    ("values", "where", "what", "allowed"),
    [
        ({"lr": "abc"}, "part.lr", "'abc' is not a number", "a number above 0"),
        ({"lr": True}, "part.lr", "true is not a number", "a number above 0"),
        ({"lr": 0}, "part.lr", "0 is out of range", "a number above 0"),
        ({"lr": float("inf")}, "part.lr", "inf is out of range", "a number above 0"),
        ({"lr": None}, "part.lr", "null is not a number", "a number above 0"),
        ({"steps": 0}, "part.steps", "0 is out of range", "a whole number of at least 1 or null"),
        ({"steps": True}, "part.steps", "true is not a whole number", "a whole number of at least 1 or null"),
        ({"steps": 1.5}, "part.steps", "1.5 is not a whole number", "a whole number of at least 1 or null"),
        ({"steps": "5"}, "part.steps", "'5' is not a whole number", "a whole number of at least 1 or null"),
        ({"devices": "two"}, "part.devices", "'two' is not allowed", "auto or a whole number of at least 1"),
        ({"devices": True}, "part.devices", "true is not allowed", "auto or a whole number of at least 1"),
        ({"precision": "bf61"}, "part.precision", "'bf61' is not allowed", "auto, 32 or bf16"),
        ({"shuffle": 1}, "part.shuffle", "1 is not true or false", ""),
        ({"columns": "x"}, "part.columns", "'x' is not allowed", "a mapping {name: value, …}"),
        ({"columns": {"a": [1]}}, "part.columns.a", "[1] is not text", ""),
        ({"weights": {"bad": 0, "good": 1}}, "part.weights.bad", "0 is out of range", "a number above 0"),
        ({"inner": 3}, "part.inner", "3 is not allowed", "a mapping with fraction and by"),
        (
            {"inner": {"fraction": 1}},
            "part.inner.fraction",
            "1 is out of range",
            "a number of at least 0 and below 1",
        ),
        ({"betas": [0.1, "x"]}, "part.betas.1", "'x' is not a number", ""),
        ({"name": "never"}, "part", "a name may not be 'never'", ""),
    ],
)
def test_problems_in_plain_words(values, where, what, allowed):
    found = problems(**values)
    assert list(found) == [where]
    assert (found[where].what, found[where].allowed) == (what, allowed)


def test_unknown_keys_at_any_depth():
    found = problems(step=1, inner={"fractoin": 0.1})
    assert found["part.step"].nearest == "steps" and "betas" in found["part.step"].allowed
    assert found["part.inner.fractoin"].nearest == "fraction"
    assert found["part.inner.fractoin"].allowed == "fraction, by"


def test_a_literal_has_a_nearest():
    assert problems(precision="bf61")["part.precision"].nearest == "bf16"


def test_missing():
    _, found = validate(Part, {}, "part")
    assert [(p.where, p.what, p.allowed) for p in found] == [("part.lr", "must be set", "a number above 0")]


def test_a_fraction_is_not_silently_text():
    assert "'part.name=\"1.1\"'" in problems(name=1.10)["part.name"].allowed


def test_words_of_lists():
    assert words(list[str] | str) == "a list [text, …] or text"
