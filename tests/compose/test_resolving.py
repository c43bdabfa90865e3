from omegaconf import OmegaConf

from pipeline.compose.resolving import HIDDEN, public, resolve


def test_everything_unresolved_is_told_and_the_rest_is_there(monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    config = OmegaConf.create(
        {
            "a": {"x": 1, "y": "${a.x}", "z": "???"},
            "b": "${nothing.there}",
            "c": "${oc.env:NOT_SET}",
            "d": "${d}",
            "e": "${a}",
            "f": ["${a.x}", "${gone}"],
        }
    )
    values, problems = resolve(config)
    assert values == {"a": {"x": 1, "y": 1}, "e": {"x": 1, "y": 1}, "f": [1]}
    assert [problem.where for problem in problems] == ["a.z", "b", "c", "d", "e.z", "f.1"]
    assert (
        "must be set" in problems[0].what
        and "nothing.there" in problems[1].what
        and "NOT_SET" in problems[2].what
    )


def test_a_configuration_inside_itself_ends():
    _, problems = resolve(OmegaConf.create({"a": {"b": "${a}"}}))
    assert [problem.where for problem in problems] == ["a.b"]


def test_what_comes_from_the_environment_is_hidden(monkeypatch):
    monkeypatch.setenv("TOKEN", "s3cret")
    config = OmegaConf.create(
        {
            "token": "${oc.env:TOKEN}",
            "again": "${token}",
            "text": "bearer ${ oc.env:TOKEN, none}",
            "deep": [{"x": "${oc.decode:${oc.env:TOKEN}}"}, None],
            "plain": "${oc.select:token}",
            "n": 1,
        }
    )
    shown = public(config)
    assert "s3cret" not in str(shown) and shown["again"] == HIDDEN and shown["n"] == 1
    assert resolve(config)[0]["text"] == "bearer s3cret"
