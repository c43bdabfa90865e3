"""One job of a sweep, as Hydra's launchers call it: in this process, another one, or on another machine."""

from typing import Any


def train_frozen(config: Any) -> float | None:
    """Work on the frozen run that ``config.run`` names; its optimized metric; None where a search ended it, and in
    processes other than the first.
    """
    from pipeline.errors import Pruned
    from pipeline.starting import work_on

    try:
        return work_on(config.run)[1].get("optimized_metric")
    except Pruned:
        return None
