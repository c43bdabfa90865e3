"""``hydratune COMMAND …``: the same as ``python -m pipeline.COMMAND …``."""

import importlib
import os
import sys
from pathlib import Path

from pipeline.compose import locations
from pipeline.compose.command_line import outcome, parse
from pipeline.errors import BadInput, Problem, listing, nearest


def main() -> None:
    """The console script."""
    locations.make_importable()
    outcome(_dispatch)


def commands() -> dict[str, str]:
    """Command -> what it does: the modules of this package that have a ``main``, and their first lines."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        text = file.read_text(encoding="utf-8")
        if "\ndef main(" in text:
            found[file.stem] = text.splitlines()[0].strip('" ')
    return found


def _dispatch() -> None:
    known = commands()
    command, *rest = sys.argv[1:] or ["--help"]
    if command in ("--shell-completion", "-sc"):
        _complete(known)
    elif command in ("--help", "-h"):
        width = max(map(len, known), default=0)
        rows = [f"  {name:<{width}}  {about}" for name, about in known.items()]
        print("\n".join(["usage: hydratune COMMAND [group=option …] [key=value …]", "", *rows]))
        print("\nhydratune COMMAND --help lists groups, options and keys.")
    elif command == "--version":
        parse(["--version"], command="")
    elif command in known:
        sys.argv = [f"hydratune {command}", *rest]
        importlib.import_module(f"pipeline.{command}").main()
    else:
        problem = Problem("command", f"'{command}' is not a command", listing(known), nearest(command, known))
        raise BadInput(problem)


def _complete(known: dict[str, str]) -> None:
    """Answer the shell: the command's name first, then Hydra's completion of the words after it."""
    words = os.environ.get("COMP_LINE", "").split(" ")
    if len(words) == 2 and words[0]:
        print(" ".join(known))
        return
    os.environ["COMP_LINE"] = " ".join([words[0], *words[2:]])
    parse(sys.argv[1:], command="train")


if __name__ == "__main__":
    main()
