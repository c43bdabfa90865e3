"""What benchmarks of many runs have in common: their words, several runs at once, and the files of results."""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.stamp import origin
from benchmarks.summary import markdown

Key = TypeVar("Key", bound=tuple[Any, ...])


def add_words(parser: argparse.ArgumentParser, output: Path) -> None:
    """Overrides, data, seeds, jobs, and where the results go."""
    parser.add_argument("overrides", nargs="*", help="for every run, e.g. hardware.threads=1")
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2]
    )
    parser.add_argument("--jobs", type=int, default=1, help="so many runs at once")
    parser.add_argument("--output", type=Path, default=output, help="a Markdown file goes beside it")
    parser.add_argument("--resume", action="store_true", help="keep the runs that the output file has")


def runs_of(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Those that --resume keeps."""
    known = options.resume and options.output.exists()
    return json.loads(options.output.read_text())["runs"] if known else []


def at_once(
    jobs: int, act: Callable[..., dict[str, Any]], wanted: Sequence[Key]
) -> Iterator[tuple[Key, dict[str, Any]]]:
    """What ``act`` gives for each of ``wanted``, as they end; after one that fails no other begins."""
    pool = ThreadPoolExecutor(jobs)
    asked = {pool.submit(act, *one): one for one in wanted}
    try:
        for done in as_completed(asked):
            yield asked[done], done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def write(
    output: Path,
    result: dict[str, Any],
    text: str,
    rows: Sequence[Sequence[str]],
    columns: Sequence[str],
) -> None:
    """All runs as JSON, and their table under ``text`` with the stamp below."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    made = f"{text}\n\n{markdown(rows, columns)}\n{origin(result['stamp'])}.\n"
    output.with_suffix(".md").write_text(made)
