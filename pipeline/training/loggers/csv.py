"""Every logged number as a row of a csv file in the run directory."""

from typing import TYPE_CHECKING

from pipeline.component import component
from pipeline.training.specs import LoggerSpec, RunFacts

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


@component
class Csv(LoggerSpec):
    """``logs/csv/metrics.csv``: step, name, value. It has no options."""

    def build(self, facts: RunFacts) -> "Logger":
        from pipeline.training.loggers.csv_files import CsvLogger

        return CsvLogger(facts.folder / "logs" / "csv")
