"""Where runs are written."""

import os
from pathlib import Path

from pipeline.component import component
from pipeline.errors import BadInput, Problem


@component
class Paths:
    # Runs are written to <outputs>/<task>/<name>/<date_time>-<id>/, sweeps to <outputs>/sweeps/<name>/.
    outputs: str = "outputs"

    def check(self) -> None:
        """Raises BadInput where no run could be written, before data and model are prepared for one."""
        outputs = Path(self.outputs).absolute()
        there = next(path for path in (outputs, *outputs.parents) if path.exists())
        if not there.is_dir():
            what = f"{there} is a file"
        elif not os.access(there, os.W_OK | os.X_OK):
            what = f"{there} may not be written to"
        else:
            return
        raise BadInput(Problem("paths.outputs", what, "a folder that may be written to, new or old"))
