"""One job of a sweep, as Hydra's launchers call it: in this process, another one, or on another machine."""

from typing import Any


def train_frozen(config: Any) -> float | None:
    """Work on the frozen run that ``config.run`` names; its optimized metric."""
    from pipeline.compose.frozen import load_frozen
    from pipeline.launch.process import launch
    from pipeline.runs.directory import open_run

    run = open_run(config.run)
    _, spec = load_frozen(run)
    return launch(run, spec)["optimized_metric"]
