"""A frozen run's configuration, read back: what every process of the run starts from."""

from collections.abc import Sequence

from omegaconf import OmegaConf

from pipeline.compose.composing import Composed
from pipeline.compose.run_spec import RunSpec, load
from pipeline.runs.directory import RunDirectory


def load_frozen(run: RunDirectory) -> tuple[Composed, RunSpec]:
    """The run's configuration as it was composed. Raises BadInput where this program no longer fits it."""
    config = OmegaConf.load(run.config)
    overrides = OmegaConf.to_container(OmegaConf.load(run.folder / "overrides.yaml"))
    assert isinstance(overrides, list)
    composed = Composed(config, tuple(map(str, overrides)), run.manifest()["choices"])  # type: ignore[arg-type]
    return composed, load(composed, frozen=True)


def frozen_files(composed: Composed) -> dict[str, str]:
    """What a run directory keeps of a configuration: file name -> content."""
    config = composed.config.copy()
    # The directory itself says which run it is; a copy of it elsewhere must not point back.
    config.run = config.resume = None
    return {
        "config.yaml": OmegaConf.to_yaml(config),
        "overrides.yaml": OmegaConf.to_yaml(OmegaConf.create(lasting(composed.overrides))),
    }


def lasting(overrides: Sequence[str]) -> list[str]:
    """Overrides without those that only say which run is meant."""
    return [text for text in overrides if text.lstrip("+").partition("=")[0] not in ("run", "resume")]
