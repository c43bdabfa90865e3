"""Where runs are written."""

from pipeline.component import component


@component
class Paths:
    # Runs are written to <outputs>/<task>/<name>/<date_time>-<id>/, sweeps to <outputs>/sweeps/<name>/.
    outputs: str = "outputs"
