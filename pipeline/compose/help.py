"""``--help``: read from the yaml files as text, so that it is answered before Hydra is imported."""

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.compose import locations
from pipeline.errors import BadInput, Problem, listing, nearest

# A key at the top of the file, its value, and the comment after it.
KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_][\w-]*):(?P<value>.*?)(?:\s+# (?P<comment>.*))?$")

FLAGS = {
    "--help, -h [group=option]": "This text, or the keys of an option.",
    "--cfg job [--resolve]": "Print the configuration instead of running it.",
    "--multirun, -m": "Run every combination: strategy=lora,full seed=0,1,2, or a search: sweep=…; with plan compare.",
    "--matrix": "plan: which tasks, models and strategies go together.",
    "--config-dir, -cd DIR": "A folder searched for options before ./conf and the shipped ones.",
    "--trust MODULE": "Allow a module of yours in _target_ (also: HYDRATUNE_TRUST=a,b).",
    "--version": "Print the version.",
    "--shell-completion, -sc": "install=bash, zsh or fish: completion of groups, options and keys.",
    "--info, --hydra-help": "What Hydra itself can tell.",
}

# What a command that uses a finished run takes: its words, the groups that it reads, examples.
_USED = {"run=DIR": "The directory of a finished run."}
_SEVERAL = {"run=[DIR,DIR]": "Several runs of one task; in quotes: 'run=[DIR,DIR]'."}
_OTHER_DATA = {
    "data.columns.ROLE=NAME": "The column that plays a role, where it is named otherwise than in training: "
    "data.columns.text='review body'.",
    "data.delimiter, data.encoding, …": "How files are read, where it differs from training; --help data=files.",
}
USING = {
    "predict": (
        {
            **_USED,
            "input=FILE": "Rows in csv, tsv, jsonl, json, parquet, arrow, txt, squad, conll or conllu: a path, glob or "
            "URL. - (or nothing, from a pipe): standard input, a text or a JSON object a line.",
            "output=FILE": "Rows with their predictions: a name in .csv, .tsv, .jsonl, .parquet or .txt. - (or "
            "nothing): jsonl on standard output.",
            **_OTHER_DATA,
        },
        ("hardware",),
        (
            "{program} run=outputs/… input=new.csv output=predictions.csv",
            "echo 'A gripping film.' | {program} run=outputs/… input=- output=-",
        ),
    ),
    "evaluate": (
        {
            **_USED,
            **_SEVERAL,
            "data=files data.test=FILE": "Other data than the run's own; any source below, or only what differs.",
            "output=FILE": "Metrics and tables as JSON, besides what is shown.",
            **_OTHER_DATA,
        },
        ("data", "data/template", "hardware"),
        (
            "{program} run=outputs/…",
            "{program} run=outputs/… data=files data.test=new.csv 'data.columns={{text: review, label: stars}}'",
            "{program} 'run=[outputs/…,outputs/…]'",
        ),
    ),
    "export": (
        {
            **_USED,
            **_SEVERAL,
            "format=NAME": "huggingface: the folder that transformers loads; merged: the same, with the adapter folded "
            "in; adapter: what PEFT loads, and its base; onnx: a graph for onnxruntime.",
            "output=DIR": "The folder to write, which is new or empty.",
        },
        (),
        (
            "{program} run=outputs/… format=huggingface output=exported",
            "{program} 'run=[outputs/…,outputs/…]' output=soup",
        ),
    ),
    "report": (
        {
            **_USED,
            "sweep=DIR": "The folder of a sweep, instead of a run.",
            "output=FILE": "The page, a name in .html; without it report.html in that folder.",
        },
        (),
        (
            "{program} run=outputs/…",
            "{program} sweep=outputs/sweeps/… output=sweep.html",
        ),
    ),
}
_GROUPS_OF_A_RUN = "Groups (as in the run where nothing is said; keys of an option: group.key=value)"
# The flags that those take; the others are about composing a run.
USING_FLAGS = ("--help, -h [group=option]", "--config-dir, -cd DIR", "--trust MODULE", "--version")

EXAMPLES = (
    "{program} model=bert strategy=lora",
    "{program} data=files data.train=reviews.csv 'data.columns={{text: review, label: stars}}'",
    "{program} -m strategy=lora,full optimizer.lr=1e-4,1e-5",
)


def description(file: Path) -> str:
    """The first comment line of a yaml file that is not a directive for Hydra."""
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.strip() and not line.startswith("#"):
            return ""
        text = line.lstrip("# ").strip()
        if text and not text.startswith("@"):
            return text
    return ""


def root_keys() -> dict[str, str]:
    """Root key -> its comment in the primary configuration."""
    text = locations.primary_file().read_text(encoding="utf-8")
    return {
        key: comment
        for indent, key, _, comment in keys(text)
        if not indent and key not in ("defaults", "hydra")
    }


def keys(text: str) -> Iterator[tuple[str, str, str, str]]:
    """(indent, key, value, comment) of every line of a yaml text that sets a key.

    Comment lines above a key without a comment of its own are that key's.
    """
    above: list[str] = []
    for line in text.splitlines():
        if match := KEY.match(line):
            comment = match["comment"] or " ".join(above)
            yield match["indent"], match["key"], match["value"].strip(), comment
        above = [*above, line.lstrip("# ").strip()] if line.lstrip().startswith("#") else []


# What is a default of something else here, and where it is set.
_SET_BY = {"learning_rate": "optimizer.lr"}


def nearest_key(name: str) -> str:
    """The full key (``optimizer.lr``) of the default options whose last part ``name`` is, ends in or resembles."""
    found = {key: key for key in root_keys()}
    for group, option in locations.default_options().items():
        if file := locations.options(group).get(option):
            lines = keys(file.read_text(encoding="utf-8"))
            found = {
                key: f"{group}.{key}" for indent, key, *_ in lines if not indent and key[0] != "_"
            } | found
    found |= _SET_BY
    name = name.replace("-", "_").rpartition(".")[2]
    endings = sorted((key for key in found if name == key or name.endswith(f"_{key}")), key=len)
    return found.get(endings[-1] if endings else nearest(name, found), "")


def render(command: str, program: str, about: str = "", topics: Sequence[str] = ()) -> str:
    """The help text of a command, or of the options named in ``topics`` (``model=bert``).

    Raises BadInput for a topic that is not a group and an option of it.
    """
    if chosen := [topic for topic in topics if "=" in topic]:
        return "\n\n".join(_option(*topic.split("=", 1)) for topic in chosen)
    if command in USING:
        return _using(command, program, about)
    parts = [
        f"usage: {program} [group=option …] [key=value …] [flags]",
        about,
        _section("Keys of the run", root_keys()),
        "Groups (group=option; * the default; keys of an option: group.key=value)",
        *(_group(group) for group in locations.groups()),
        _section("Flags", FLAGS),
        _examples(EXAMPLES if command in ("train", "plan", "prepare") else (), program),
    ]
    return "\n\n".join(part for part in parts if part)


def _using(command: str, program: str, about: str) -> str:
    """The help text of a command that uses a finished run: how that was trained is no choice any more."""
    words, groups, examples = USING[command]
    parts = [
        f"usage: {program} run=DIR [key=value …] [group=option …] [flags]",
        about,
        _section("Words", words),
        _GROUPS_OF_A_RUN if groups else "",
        *(_group(group, of_run=True) for group in groups),
        _section("Flags", {flag: FLAGS[flag] for flag in USING_FLAGS}),
        _examples(examples, program),
    ]
    return "\n\n".join(part for part in parts if part)


def _examples(examples: Sequence[str], program: str) -> str:
    shown = [f"  {example.format(program=program)}" for example in examples]
    return "\n".join(["Examples", *shown]) if shown else ""


def _group(group: str, of_run: bool = False) -> str:
    """Options of a group; the default is marked, unless it is the one ``of_run``."""
    chosen = "" if of_run else locations.default_options().get(group, "")
    defaults = set(re.findall(r"[\w-]+", chosen))
    rows = {
        f"{'*' if option in defaults else ' '} {option}": description(file)
        for option, file in sorted(locations.options(group).items())
    }
    return _section(f" {group}", rows or {"  (no options)": ""})


def _option(group: str, option: str) -> str:
    found = locations.options(group)
    if option not in found:
        what = f"'{option}' is not an option of it" if found else "no such group"
        allowed, wanted = (list(found), option) if found else (locations.groups(), group)
        raise BadInput(Problem(group, what, listing(allowed), nearest(wanted, allowed)))
    text = found[option].read_text(encoding="utf-8")
    body = text.split("\n", 1)[1] if text.startswith("#") else text
    rows = {
        f"{indent}{locations.package(group) + '.' if not indent else ''}{key}: {value}".rstrip(": "): comment
        for indent, key, value, comment in keys(body)
        if key not in ("_target_", "defaults")
    }
    return _section(f"{group}={option}: {description(found[option])}\n({found[option]})\n", rows)


def _section(title: str, rows: dict[str, str]) -> str:
    width = max(shutil.get_terminal_size().columns, 40)
    column = min(max(len(name) for name in rows) + 4, 34, width // 2) if rows else 0
    lines = [title]
    for name, text in rows.items():
        start = f"  {name}"
        gap = " " * (column - len(start)) if len(start) < column else f"\n{' ' * column}"
        wrapped = textwrap.wrap(text, width - column - 1)
        lines.append(start + (gap + f"\n{' ' * column}".join(wrapped) if wrapped else ""))
    return "\n".join(lines)
