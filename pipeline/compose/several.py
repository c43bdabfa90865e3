"""Finished runs that a command takes together: ``'run=[DIR,DIR]'``."""

from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from pipeline.compose.using import Used, open_finished
from pipeline.errors import BadInput, Problem


def open_several(
    given: str | None, overrides: Sequence[str] = (), config_dir: str | None = None, command: str = "evaluate"
) -> list[Used]:
    """The runs that ``run=…`` names, one or a list. What ``overrides`` ask for is in the first of them.

    Raises BadInput as :func:`pipeline.compose.using.open_finished` does, for all of them together, and for a run that
    is named twice.
    """
    return open_all(folders_of(given), overrides, config_dir, command)


def open_all(
    folders: Sequence[str], overrides: Sequence[str], config_dir: str | None, command: str
) -> list[Used]:
    """The same for folders."""
    used: list[Used] = []
    problems: list[Problem] = []
    for folder in folders or [""]:
        try:
            first = folder == (folders or [""])[0]
            used.append(open_finished(folder, overrides if first else (), config_dir, command))
        except BadInput as error:
            problems += error.problems
    seen = [each.run.folder for each in used]
    twice = {folder for folder in seen if seen.count(folder) > 1}
    problems += [Problem("run", f"{folder} is named twice", "each run once") for folder in sorted(twice)]
    if problems:
        raise BadInput(problems)
    return used


def folders_of(given: str | None) -> list[str]:
    """The folders in ``DIR`` or ``[DIR,DIR]``, as Hydra reads a list. Raises BadInput for a list that is none."""
    if not given or not given.startswith("["):
        return [given] if given else []
    try:
        value = OverridesParser.create().parse_override(f"run={given}").value()
    except HydraException as error:
        what = f"{given} is no list of folders: {str(error).splitlines()[0]}"
        raise BadInput(Problem("run", what, "'run=[DIR,DIR]'")) from error
    return [str(folder) for folder in value] if isinstance(value, list) else [given]
