"""The outermost layer of every command: flags, ``--help``, and outcomes as exit codes.

Standard library only until something is composed. A command reads::

    from pipeline.compose.command_line import check, outcome, parse

    def main() -> None:
        \"\"\"Train one run, or sweep with -m.\"\"\"
        call = parse(sys.argv[1:], command="train")  # answers --help, --version and Hydra's own flags itself
        if call.multirun:
            from pipeline.compose.multirun import run_multirun

            return run_multirun(call, train_frozen)  # train_frozen(config) is called with config.run = DIR
        chain = check(call)  # every mistake at once; answers --cfg job itself
        ...

    if __name__ == "__main__":
        outcome(main)
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from pipeline.compose import locations
from pipeline.errors import (
    BAD_INPUT,
    FAILED,
    FINISHED,
    INTERRUPTED,
    BadInput,
    Diverged,
    Interrupted,
    Problem,
    Pruned,
    RunFailed,
    listing,
    nearest,
)
from pipeline.launch.world import world
from pipeline.runs.garbage import import_without_collecting

if TYPE_CHECKING:
    from pipeline.compose.stages import Stage

# What a shell reports for a program ended by Ctrl-C.
KEYBOARD_INTERRUPT = 130


@dataclass(frozen=True)
class Call:
    """One call of a command: overrides as typed, and flags."""

    command: str
    overrides: tuple[str, ...] = ()
    multirun: bool = False
    cfg: bool = False
    resolve: bool = False
    config_dir: str | None = None
    matrix: bool = False

    def given(self, key: str) -> str | None:
        """The text typed for ``key`` (``run`` of ``run=DIR``) before anything is composed, or None."""
        for text in reversed(self.overrides):
            name, equals, value = text.lstrip("+").partition("=")
            if equals and name == key:
                return value
        return None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(Problem("command line", message, "--help lists what is allowed"))


def parse(argv: Sequence[str], command: str) -> Call:
    """Read the command line; ``--help``, ``--version`` and Hydra's flags are answered here, with SystemExit.

    Raises BadInput for an unknown flag.
    """
    parser = _flags()
    args, rest = parser.parse_known_intermixed_args(list(argv))
    locations.make_importable()
    if args.help:
        _print_help(command, args.overrides, args.config_dir)
        raise SystemExit(FINISHED)
    if args.version:
        from importlib.metadata import version

        print(f"hydratune {version('hydratune')}")
        raise SystemExit(FINISHED)
    known = [name for action in parser._actions for name in action.option_strings]
    if rest:
        # Values of unknown flags are among the rest too, and nothing is wrong with them.
        flags = [text for text in rest if text.startswith("-")] or rest
        raise BadInput([_unknown_flag(flag, argv, known) for flag in flags])
    if args.trust:
        from pipeline.compose.target import trust

        trust(*args.trust)
    if args.shell_completion or args.info or args.hydra_help:
        _hydra(argv, args.config_dir)
        raise SystemExit(FINISHED)
    if command in ("evaluate", "predict", "export", "report") and (args.cfg or args.multirun):
        flag = "--cfg" if args.cfg else "--multirun"
        raise BadInput(Problem(flag, f"is no flag of {command}", "--help lists what is allowed"))
    if args.matrix and command != "plan":
        raise BadInput(Problem("--matrix", f"is no flag of {command}", "python -m pipeline.plan --matrix"))
    if args.cfg and args.multirun:
        raise BadInput(Problem("--cfg", "shows one configuration", "leave out -m"))
    if args.resolve and not args.cfg:
        raise BadInput(Problem("--resolve", "goes with --cfg", "--cfg job --resolve"))
    return Call(
        command,
        tuple(args.overrides),
        args.multirun,
        bool(args.cfg),
        args.resolve,
        args.config_dir,
        args.matrix,
    )


def check(call: Call) -> "list[Stage]":
    """Compose and check the configuration, that of every stage of a chain; with ``--cfg job`` print it and leave.

    Raises BadInput with every mistake. Imports nothing that takes long.
    """
    from pipeline.compose.best import take_best
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load
    from pipeline.compose.stages import Stage, compose_stages, named

    if (asked := call.given("sweep")) not in (None, "grid", "null"):
        raise BadInput(Problem("sweep", f"{asked} goes over several runs, and this call is one", "-m"))
    taken = take_best(call.overrides)
    # What it recommends may lie in the folder.
    with taken.told(), locations.using(call.config_dir):
        composed = compose(taken.words)
        chain = compose_stages(composed) if named(composed) else [Stage(composed, load(composed))]
    if (asked := call.given("hydra/launcher")) not in (None, "basic"):
        what = f"{asked} runs the jobs of a sweep, and this call is one run"
        raise BadInput(Problem("hydra/launcher", what, "-m, with one value too: -m seed=0"))
    if call.cfg:
        from omegaconf import OmegaConf

        for stage in chain:
            shown = OmegaConf.create(stage.spec.public) if call.resolve else stage.composed.config
            sys.stdout.write(f"--- # {stage.title}\n" if stage.title else "")
            sys.stdout.write(OmegaConf.to_yaml(shown))
        raise SystemExit(FINISHED)
    return chain


def outcome(main: Callable[[], object]) -> NoReturn:
    """Run a command and end the process with its outcome: 0, 1 failed, 2 bad input, 75 interrupted."""
    import_without_collecting()
    code = FINISHED
    try:
        main()
    except BadInput as error:
        count = len(error.problems)
        print(f"{count} problem{'s' if count != 1 else ''}:\n", file=sys.stderr)
        print("\n".join(str(problem) for problem in error.problems), file=sys.stderr)
        code = BAD_INPUT
    except Interrupted as error:
        print(f"interrupted: {error}" if str(error) else "interrupted", file=sys.stderr)
        # For torchrun a process that leaves with another code has failed, and the others are killed.
        code = FINISHED if world().starter == "torchrun" else INTERRUPTED
    except Pruned as error:
        print(f"pruned at {error}", file=sys.stderr)
    except (Diverged, RunFailed) as error:
        print(f"failed: {error}", file=sys.stderr)
        code = FAILED
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = KEYBOARD_INTERRUPT
    except BrokenPipeError:
        # The reader of our output (`head`) has left: nothing more to say, and nothing that could be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except PermissionError as error:
        print(f"{error.filename}: {error.strerror or 'permission denied'}", file=sys.stderr)
        code = BAD_INPUT
    except Exception as error:  # noqa: BLE001  the outermost layer: what failed is told, whatever it is
        traceback.print_exc()
        print(f"\nfailed: {type(error).__name__}: {error}", file=sys.stderr)
        code = FAILED
    raise SystemExit(code)


def _flags() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*")
    plain = (("--version",), ("--resolve",), ("--hydra-help",), ("--matrix",))
    for names in (("--help", "-h"), ("--multirun", "-m"), *plain):
        parser.add_argument(*names, action="store_true")
    parser.add_argument("--shell-completion", "-sc", action="store_true")
    parser.add_argument("--cfg", "-c", choices=["job"])
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--trust", action="append")
    parser.add_argument("--info", "-i", nargs="?", const="all")
    return parser


def _unknown_flag(flag: str, argv: Sequence[str], known: Sequence[str]) -> Problem:
    """What is wrong with ``--lr`` (of ``--lr 1e-4``) or ``--epochs=3``: keys have no dashes here."""
    name, equals, value = flag.lstrip("-").partition("=")
    after = argv[list(argv).index(flag) + 1 :]
    if not equals and after and not after[0].startswith("-") and "=" not in after[0]:
        equals, value = "=", after[0]
    # Flags that take a value keep it in a word of its own.
    if not equals and (close := nearest(flag, [text for text in known if text.startswith("--")])):
        return Problem(flag, "unknown flag", listing(known), close)
    from pipeline.compose.help import nearest_key

    key = nearest_key(name)
    hint = "key=value without dashes; --help lists keys and flags"
    return Problem(flag, "unknown flag", hint, f"{key}={value or '…'}" if key else nearest(flag, known))


def _print_help(command: str, topics: Sequence[str], config_dir: str | None) -> None:
    from pipeline.compose.help import render

    module = sys.modules.get("__main__")
    about = (getattr(module, "__doc__", None) or "").strip() if _is_command(module, command) else ""
    program = f"python -m pipeline.{command}" if not sys.argv[0].startswith("hydratune ") else sys.argv[0]
    with locations.using(config_dir):
        print(render(command, program, about, topics))


def _is_command(module: object, command: str) -> bool:
    spec = getattr(module, "__spec__", None)
    return getattr(spec, "name", "") == f"pipeline.{command}"


def _hydra(argv: Sequence[str], config_dir: str | None) -> None:
    """Let Hydra answer: shell completion and its own information."""
    import hydra

    sys.argv = [sys.argv[0], *argv]
    with locations.using(config_dir):
        hydra.main(str(locations.shipped()), locations.PRIMARY, version_base="1.3")(_nothing)()


def _nothing(config: object) -> None:
    """Hydra asks for a job even where it only informs."""
