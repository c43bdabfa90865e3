"""How a sweep chooses its trials, how many run at a time, and what becomes of those that fail."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.errors import BadInput, Problem

Count = Annotated[int, Field(ge=1)]
_SCHEMES = ("sqlite", "postgresql", "mysql", "mariadb")


@component
class Sweep:
    """What every sweep has."""

    # What the record of a sweep calls this way of choosing trials.
    sweeper: ClassVar[str]

    # Key -> values in the words of Hydra's sweeps: "1,2", "range(1,9)", "interval(0.0,0.5)".
    space: dict[str, str | int | float | bool] = Field(default_factory=dict)
    # Trials handed to the launcher at a time. null: as many as the sweep can without losing anything by it.
    jobs: Count | None = None
    # Over all calls of the same command: the count is kept with the run.
    retries: Annotated[int, Field(ge=0)] = 1
    # A sweep's folder whose winning overrides are taken.
    best: str | None = None


@component
class Grid(Sweep):
    """All combinations."""

    sweeper: ClassVar[str] = "grid"


@component
class Random(Sweep):
    """Independent draws; which, follows from the run's `seed` and the number of the trial alone."""

    sweeper: ClassVar[str] = "random"
    trials: Count = 20


@component
class Search(Sweep):
    """Trials that learn from those before them: tree-structured Parzen estimators (Bergstra et al. 2011,
    Algorithms for Hyper-Parameter Optimization, NeurIPS 24), one for each key."""

    sweeper: ClassVar[str] = "optuna"
    trials: Count = 20
    sampler: Literal["tpe", "random"] = "tpe"
    # Trials at random before the estimators have anything to go by.
    startup: Annotated[int, Field(ge=0)] = 10
    # A database that several machines share. null: a journal in the sweep's folder.
    storage: str | None = None

    def check(self) -> None:
        """Raises BadInput for a storage of a kind that is not known."""
        if self.storage is None:
            return
        scheme, colon, _ = self.storage.partition("://")
        if not colon or scheme.partition("+")[0] not in _SCHEMES:
            what = f"'{scheme}' is no kind of database" if colon else "is not the URL of a database"
            allowed = "sqlite:///FILE, postgresql://…, mysql://…, or null for a journal in the sweep's folder"
            raise BadInput(Problem("sweep.storage", what, allowed))


@component
class Asha(Search):
    """Asynchronous successive halving (Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning,
    arXiv:1810.05934). What a run has used is counted in validations: rungs are at ``first``, ``first·reduction``,
    ``first·reduction²``, … of them."""

    sweeper: ClassVar[str] = "asha"
    first: Count = 1
    # Of the runs that reach a rung, the best one in so many goes on.
    reduction: Annotated[int, Field(ge=2)] = 3
