import pytest

from pipeline.compose.launcher_keys import unknown


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("hydra.launcher.jbs", "hydra.launcher.jobs with hydra/launcher=local"),
        ("hydra.launcher.jobs", "hydra.launcher.jobs with hydra/launcher=local"),
        ("hydra.launcher.num_gpu", "hydra.launcher.num_gpus with hydra/launcher=ray"),
        ("hydra.launcher.zzz", "keys of hydra/launcher: account, "),
    ],
)
def test_what_was_meant_and_where_it_belongs(key: str, meant: str):
    problem = unknown(key)
    assert problem and problem.where == key and problem.allowed.startswith(meant)
    assert problem.nearest == ("" if "zzz" in key or meant.startswith(f"{key} ") else meant.partition(" ")[0])


def test_other_keys_are_not_its_matter():
    assert unknown("hydra.job.chdri") is None
