"""What a run was made of and with: its data, its model, its machine, and the command that makes it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from pipeline.reporting.report.curves import tokens_per_second
from pipeline.reporting.sizes import size_text
from pipeline.runs.redaction import redact

if TYPE_CHECKING:
    from pipeline.runs.directory import RunDirectory

Pairs = list[tuple[str, str]]
# Of the groups of a configuration, those that say what a model is.
_CHOSEN = ("task", "model", "data", "strategy", "optimizer", "scheduler", "experiment")


def data_pairs(manifest: Mapping[str, Any]) -> Pairs:
    prepared = manifest["prepared"]
    cut = {split: count for split, count in prepared["truncated"].items() if count}
    by_split = {"rows": prepared["rows"], "tokens": prepared["tokens"], "cut short": cut}
    return [
        ("data", str(manifest["choices"]["data"])),
        *([("source", prepared["source"])] if prepared.get("source") else []),
        *((name, _counted(counts)) for name, counts in by_split.items() if counts),
        *([("left out", _counted(skipped))] if (skipped := prepared.get("skipped")) else []),
        ("longest row", f"{prepared['longest']:,} tokens"),
        ("fingerprint", prepared["data_fingerprint"]),
    ]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def class_rows(manifest: Mapping[str, Any]) -> list[list[Any]]:
    """Class by split: how many rows; the header alone where the task has no classes."""
    counts = manifest["prepared"]["head"].get("counts")
    if not isinstance(counts, Mapping) or not all(isinstance(each, Mapping) for each in counts.values()):
        return [["class"]]
    splits = sorted(counts, key=lambda split: (split != "train", split == "test"))
    names = dict.fromkeys(name for split in splits for name in counts[split])
    return [
        ["class", *splits],
        *([name, *(counts[split].get(name, 0) for split in splits)] for name in names),
    ]


def audit_rows(run: RunDirectory) -> list[list[str]] | None:
    """The findings under a header, nothing where there are none; None where the data was not audited."""
    path = run.folder / "audit.json"
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))["findings"]
    names = ("severity", "check", "what", "advice")
    return [list(names), *([each[name] for name in names] for each in found)] if found else []


def model_pairs(run: RunDirectory, manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> Pairs:
    prepared, choices = manifest["prepared"], manifest["choices"]
    share = prepared["trainable"] / prepared["total"] if prepared["total"] else 0.0
    pairs = [(group, str(choices[group])) for group in _CHOSEN if choices.get(group)]
    pairs.append(
        ("parameters", f"{prepared['total']:,}, of which {prepared['trainable']:,} trained ({share:.2%})")
    )
    for name, key in (("best checkpoint", "checkpoint_bytes"), ("folder model", "model_bytes")):
        if metrics.get(key) is not None:
            pairs.append((name, size_text(metrics[key])))
    if metrics.get("reload_difference") is not None:
        said = (
            f"it computes the same in a fresh process; largest difference {metrics['reload_difference']:.1e}"
        )
        pairs.append(("reloaded", said))
    pairs.append(("checkpoint", prepared["checkpoint"]["fingerprint"]))
    if speed := tokens_per_second(run.folder):
        pairs.append(("speed", f"{speed:,.0f} tokens/s in training (median)"))
    return pairs


def environment_pairs(run: RunDirectory, manifest: Mapping[str, Any]) -> Pairs:
    environment = manifest["environment"]
    machine = environment["machine"]
    pairs = [
        ("directory", str(run.folder)),
        ("machine", f"{machine['system']}, {machine['processor']}, {machine['cpus']} CPUs"),
    ]
    resolved = run.folder / "resolved.yaml"
    if resolved.is_file():
        settings = yaml.safe_load(resolved.read_text(encoding="utf-8"))
        pairs.append(("ran with", ", ".join(f"{name} {value}" for name, value in settings.items())))
    packages = {"Python": environment["python"], **environment["packages"]}
    pairs.append(
        ("versions", ", ".join(f"{name} {version}" for name, version in packages.items() if version))
    )
    if environment["commit"]:
        pairs.append(("commit", environment["commit"]))
    if manifest.get("best_of"):
        pairs.append(("took its settings from", f"the best of {manifest['best_of']}"))
    if stage := manifest.get("stage"):
        pairs.append(("stage", f"{stage['number']} of {stage['of']}, {stage['name']}"))
    return pairs


def command(run: RunDirectory) -> str:
    """What was called, as bash takes it."""
    words = redact(yaml.safe_load((run.folder / "overrides.yaml").read_text(encoding="utf-8")))
    return shlex.join(["python", "-m", "pipeline.train", *map(str, words)])


def config_text(run: RunDirectory) -> str:
    """The whole configuration without secrets."""
    content = redact(yaml.safe_load(run.config.read_text(encoding="utf-8")))
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
