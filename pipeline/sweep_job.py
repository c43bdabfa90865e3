"""One job of a sweep, as Hydra's launchers call it: in this process, another one, or on another machine."""

from typing import Any


def train_frozen(config: Any) -> float | None:
    """Work on the frozen run that ``config.run`` names; its optimized metric, which only the first process has."""
    from pipeline.starting import work_on

    return work_on(config.run)[1].get("optimized_metric")
