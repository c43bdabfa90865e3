import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from pipeline.compose.composing import config_loader
from pipeline.compose.overrides import expand, for_hydra, parse, quoted
from pipeline.errors import BadInput


@pytest.fixture
def loader(here):
    return config_loader()


def problems(loader, *texts):
    return {problem.where: problem for problem in parse(texts, loader).problems}


def test_all_mistakes_are_found_at_once(loader):
    found = problems(loader, "nonsense", "a=[1", "=3", "hardware=gp", "name=fine")
    assert list(found) == ["nonsense", "a=[1", "=3", "hardware"]
    assert found["hardware"].nearest == "gpu" and "cpu" in found["hardware"].allowed


def test_a_bare_option_is_recognised(loader):
    assert problems(loader, "lora")["lora"].nearest == "strategy=lora"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a=b=c", "at character 4, '='"),
        ("a=[1", "at its end"),
        ("a b=1", "at character 2, ' '"),
        ("a={x:1", "at its end"),
    ],
)
def test_grammar_mistakes_show_where(loader, text, place):
    problem = problems(loader, text)[text]
    assert place in problem.what and text in problem.what
    assert "quotes" in problem.allowed


def test_every_option_of_a_list_and_of_a_sweep_is_checked(loader):
    assert problems(loader, "logger=[csv,wandbb]")["logger"].nearest == "wandb"
    assert problems(loader, "strategy=lora,ful")["strategy"].nearest == "full"
    assert "mapping" in problems(loader, "hardware={a: 1}")["hardware"].what


def test_rewriting(loader):
    typed = [
        "strategy=lora",
        "+debug=null",
        "strategy=full",
        "seed=1",
        "+a.b=[1,2]",
        "~tags",
        "hydra.job.num=1",
    ]
    rewritten = for_hydra(parse(typed, loader).overrides)
    assert sorted(rewritten) == sorted(
        ["~debug", "strategy=full", "++seed=1", "++a.b=[1,2]", "~tags", "hydra.job.num=1"]
    )


def test_rewriting_of_groups_inside_others(loader):
    typed = ["data@data.sources.a=files", "+data/template=nli_pair", "data/template@data.x.template=null"]
    overrides = parse(typed, loader).overrides
    assert sorted(for_hydra(overrides)) == [
        "++data.x.template=null",
        "+data/template=nli_pair",
        "+data@data.sources.a=files",
    ]
    # Hydra wants no + where a file's defaults list names the place.
    assert "data/template=nli_pair" in for_hydra(overrides, {"data/template"})


@pytest.mark.parametrize(
    "texts",
    [
        ["seed=1,2", "strategy=lora,full"],
        ["seed=range(0,6,2)"],
        ["strategy=glob(*)", "name=x"],
        ["optimizer.lr=choice(1e-3,1e-4)", "tags=[a,b]", "name='a,b'"],
    ],
)
def test_the_grid_is_that_of_hydras_sweeper(loader, texts):
    expected = BasicSweeper.split_arguments(OverridesParser.create(loader).parse_overrides(texts), None)[0]
    assert expand(parse(texts, loader).overrides) == expected
    assert len(expected) > 1


def test_grids_that_cannot_be_listed(loader):
    with pytest.raises(BadInput, match="no end of values"):
        expand(parse(["optimizer.lr=interval(0,1)"], loader).overrides)
    with pytest.raises(BadInput, match="no value at all"):
        expand(parse(["strategy=glob(nothing*)"], loader).overrides)


@pytest.mark.parametrize("value", ["/a b/c", "a,b=c", "it's", "a\\'b", "(x)", "${y}"[:1] + "y"])
def test_quoting_brings_the_value_back(loader, value):
    assert parse([f"run={quoted(value)}"], loader).overrides[0].value() == value
