"""Tables of the pages that follow from the program and its recorded results, written between markers.

python docs/generate.py            write them
python docs/generate.py --check    exit code 1 where a page is out of date
"""

import json
import re
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
)
sys.path.insert(0, str(ROOT))

MARKED = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def commands() -> str:
    """Every command and what it does."""
    from pipeline.__main__ import commands as known

    rows = [(f"`python -m pipeline.{name}`", about) for name, about in known().items()]
    return _table(("command", "does"), rows)


def groups() -> str:
    """Every group with the names of its options, the default one in bold."""
    from pipeline.compose import locations

    rows = []
    for group in _groups():
        chosen = set(re.findall(r"\w+", locations.default_options().get(group, "")))
        names = [f"**`{name}`**" if name in chosen else f"`{name}`" for name in _options(group)]
        rows.append((f"`{group}`", ", ".join(names)))
    return _table(("group", "options (the default in bold)"), rows)


def options() -> str:
    """Every option and its description."""
    from pipeline.compose import help as texts

    rows = [
        (f"`{group}={name}`", texts.description(file))
        for group in _groups()
        for name, file in _options(group).items()
    ]
    return _table(("option", "is"), rows)


def models() -> str:
    """Every shipped model, its licence and the tasks that it can do."""
    import yaml

    from pipeline.compose import help as texts
    from pipeline.compose.matrix import declared, fits

    tasks = declared("task")
    rows = []
    for name, file in _options("model").items():
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        able = [task for task, heads in tasks.items() if fits(heads, values["heads"])]
        which = "as its architecture" if values["heads"] is None else ", ".join(f"`{task}`" for task in able)
        rows.append((f"`{name}`", texts.description(file), values["licence"] or "", which))
    return _table(("model", "is", "licence", "tasks"), rows)


def tested() -> str:
    """Every task with the architectures and strategies that the generated test trains it with."""
    from pipeline.compose.matrix import declared, fits
    from tests.models.families import EVERYWHERE, FAMILIES

    models, strategies = declared("model"), {name: declared("strategy")[name] for name in EVERYWHERE}
    families = {name: models[family.option] for name, family in FAMILIES.items()}
    rows = []
    for task, heads in declared("task").items():
        able = [name for name, has in families.items() if fits(heads, has)]
        with_it = [f"`{name}`" for name, serves in strategies.items() if fits(heads, None, serves)]
        page = f"[`{task}`](docs/tasks/{task}.md)"
        all_of_them = len(able) == len(families)
        rows.append((page, "all of them" if all_of_them else ", ".join(able), ", ".join(with_it)))
    return _table(("task", "architectures", "strategies"), rows)


def recorded(name: str) -> str:
    """The runs that the benchmark of that name recorded."""
    benchmark = import_module(f"benchmarks.{name}")
    result = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text(encoding="utf-8"))
    return _table(benchmark.COLUMNS, benchmark.table(result["runs"]))


def quality() -> str:
    """The recorded comparison with HF Trainer."""
    from benchmarks.summary import COLUMNS, table

    result = json.loads((ROOT / "benchmarks/results/quality.json").read_text(encoding="utf-8"))
    return _table(COLUMNS, table(result["summary"], result["baseline"]))


def pairs() -> str:
    """The recorded comparison of every task with a peer: the first score of each pair."""
    from benchmarks.task_quality import COLUMNS, table

    result = json.loads((ROOT / "benchmarks/results/tasks.json").read_text(encoding="utf-8"))
    first: dict[str, tuple[str, ...]] = {}
    for row in table(result):
        first.setdefault(row[0], row)
    return _table(COLUMNS, list(first.values()))


def frozen(name: str = "frozen") -> str:
    """Recorded runs that train a head on a frozen backbone."""
    from benchmarks.frozen import COLUMNS, table

    result = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text(encoding="utf-8"))
    return _table(COLUMNS, table(result))


def stages() -> str:
    """What the recorded comparison says of the shipped chain and of those that leave out some of it."""
    from benchmarks.stages import COLUMNS, table

    result = json.loads((ROOT / "benchmarks/results/stages.json").read_text(encoding="utf-8"))
    return _table(COLUMNS, table(result["summary"]))


def scale_memory() -> str:
    return _scale("scale_memory")


def scale_network() -> str:
    return _scale("scale_network")


def scale_time() -> str:
    return _scale("scale_time")


def scale_trials() -> str:
    return _scale("scale_trials")


def _scale(name: str) -> str:
    """A table of docs/scale_numbers.py."""
    sys.path.insert(0, str(ROOT / "docs"))
    import scale_numbers

    header, rows = getattr(scale_numbers, name)()
    return _table(header, rows)


def _groups() -> list[str]:
    """Those that have shipped options, in the order of the help."""
    from pipeline.compose import locations

    return [group for group in locations.groups() if _options(group)]


def _options(group: str) -> dict[str, Path]:
    """Those that are shipped, whatever is in a folder `conf` here."""
    from pipeline.compose import locations

    return {file.stem: file for file in sorted((locations.shipped() / group).glob("*.yaml"))}


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


SCALE = (scale_memory, scale_network, scale_time, scale_trials)
ALL = (
    commands,
    frozen,
    groups,
    models,
    options,
    pairs,
    quality,
    stages,
    tested,
    *SCALE,
)
RECORDED = ("defaults", "few_shot", "growth", "instructions", "matrix_share", "speed", "start", "strategies")
TABLES = {made.__name__: made for made in ALL} | {name: partial(recorded, name) for name in RECORDED}
TABLES["frozen_all_rows"] = partial(frozen, "frozen_all_rows")


def generated(text: str) -> str:
    """``text`` with every table between markers made anew."""
    return MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[4]}", text)


def main() -> None:
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = generated(before)
        if sys.argv[1:] != ["--check"]:
            page.write_text(after, encoding="utf-8")
        elif before != after:
            sys.exit(f"{page.name} is out of date: python docs/generate.py")


if __name__ == "__main__":
    main()
