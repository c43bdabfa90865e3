"""Whether a model that is scored as it is (`train=false`) has been trained for its task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import BadInput, Problem, listing

if TYPE_CHECKING:
    from pipeline.compose.run_spec import RunSpec
    from pipeline.data.prepare import Prepared


def check_weights(spec: RunSpec, prepared: Prepared) -> None:
    """The same of a run that has not started: its model is loaded, as only its weights show what they lack."""
    check_trained_before(*spec.task.load(spec.model, prepared.checkpoint["folder"], prepared.head))


def check_trained_before(model: Any, report: Any) -> None:
    """Raises BadInput for weights that are random, and with train=false would remain so."""
    from pipeline.strategies.parts import head_names

    bare = model.base_model is model and not head_names(model)
    # A backbone's new pooler is read by nobody.
    random = [name for name in report.initialised if not (bare and name.startswith("pooler."))]
    if random:
        what = f"is scored as it is, and its {listing(random, most=4)} would be random"
        allowed = "a checkpoint that was trained for the task, such as a finished run, or train=true"
        raise BadInput(Problem("model.checkpoint", what, allowed))
