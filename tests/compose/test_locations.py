from pathlib import Path

import pytest

from pipeline.compose import locations
from pipeline.errors import BadInput

SHIPPED = Path(__file__).parents[2] / "conf"


def test_ours_is_the_repository_folder_in_a_checkout():
    assert locations.shipped() == SHIPPED


def test_config_dir_then_own_folder_then_ours(here, write):
    write("conf/model/mine.yaml", "")
    write("more/model/mine.yaml", "")
    with locations.using("more"):
        assert locations.search_path() == [here / "more", here / "conf", SHIPPED]
        assert locations.options("model")["mine"] == here / "more/model/mine.yaml"
        with locations.using(None):
            assert locations.search_path()[0] == here / "more"
    assert locations.search_path() == [here / "conf", SHIPPED]


def test_ours_is_listed_once_where_the_user_stands_in_the_checkout(monkeypatch):
    monkeypatch.chdir(SHIPPED.parent)
    assert locations.search_path() == [SHIPPED]


def test_config_dir_must_be_a_folder(here):
    with locations.using("nowhere"), pytest.raises(BadInput, match="'nowhere' is not a folder"):
        locations.search_path()


def test_defaults_are_those_of_the_primary_configuration(here):
    from omegaconf import OmegaConf

    entries = OmegaConf.load(SHIPPED / "hydratune.yaml").defaults
    expected = [
        key
        for entry in entries
        if not isinstance(entry, str)
        for key in entry
        if not key.startswith("override")
    ]
    assert list(locations.default_options()) == expected
    assert locations.default_options()["logger"] == "[csv, wandb]"


def test_a_group_of_the_users_is_a_group(here, write):
    write("conf/augmentation/noise.yaml", "# Noise.\n")
    assert locations.is_group("augmentation") and locations.groups()[-2:] == [
        "augmentation",
        "hydra/launcher",
    ]
    assert not locations.is_group("name") and not locations.is_group("../conf")


def test_a_group_inside_a_group_follows_it(here, write):
    write("conf/data/template/mine.yaml", "# Mine.\n")
    write("conf/noise/kinds/one.yaml", "# One.\n")
    found = locations.groups()
    assert found[found.index("data") + 1] == "data/template" and found[-1] == "noise/kinds"
    assert "mine" in locations.options("data/template") and "template" not in locations.options("data")


@pytest.mark.parametrize(
    ("choice", "package"),
    [("data", "data"), ("data/template", "data.template"), ("data@data.sources.mine", "data.sources.mine")],
)
def test_where_the_keys_of_a_choice_stand(choice, package):
    assert locations.package(choice) == package
