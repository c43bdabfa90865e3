"""README.md of a run: what the model is, what it scored, how to use it and how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.reporting.audit import audit_lines
from pipeline.reporting.licence import licence_lines, licence_text
from pipeline.reporting.sizes import size_text
from pipeline.reporting.two_parts import use_of_two_parts

if TYPE_CHECKING:
    from pipeline.runs.directory import RunDirectory


def markdown_table(rows: list[list[Any]]) -> str:
    """Rows of cells, the first being the header."""
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)


def model_card(
    run: RunDirectory,
    metrics: Mapping[str, Any],
    tables: Mapping[str, list[list[Any]]],
    licence: str | None = None,
) -> str:
    """The card, in the form that model hubs read: yaml front matter, then Markdown. licence: of the weights that
    training started from."""
    manifest = run.manifest()
    prepared, environment = manifest["prepared"], manifest["environment"]
    numbers = {k: v for k, v in metrics.items() if "/" in k and isinstance(v, float)}
    main = {k: v for k, v in numbers.items() if k.count("/") == 1}
    versions = ", ".join(f"{name} {version}" for name, version in environment["packages"].items() if version)
    two_parts = use_of_two_parts(run)
    parts = [
        "\n".join(["---", "library_name: transformers", *licence_lines(licence), *_tags(manifest), "---"]),
        f"# {manifest['name']}",
        _made(manifest, metrics),
        *_sizes(metrics),
        *_chain(manifest),
        "## Scores",
        markdown_table([["metric", "value"], *[[name, f"{value:.4f}"] for name, value in main.items()]]),
        *[f"### {name}\n\n{markdown_table(rows)}" for name, rows in tables.items()],
        "## Use",
        *([two_parts] if two_parts else [*_use(prepared["head"]), *_adapter(run, prepared["head"])]),
        *_data(run),
        "## Licence",
        licence_text(licence),
        "## How it was made",
        f"Run `{manifest['id']}`; its whole configuration is in `config.yaml`. "
        f"Data fingerprint `{prepared['data_fingerprint'][:16]}`, checkpoint fingerprint "
        f"`{prepared['checkpoint']['fingerprint'][:16]}`"
        + (f", commit `{prepared['checkpoint']['commit']}`" if prepared["checkpoint"].get("commit") else "")
        + f". Made with Python {environment['python']}, {versions}.",
    ]
    return "\n\n".join(parts) + "\n"


def _use(head: Mapping[str, Any]) -> Iterator[str]:
    """How transformers loads ``model``."""
    if pooled := head.get("pooled"):
        auto = f"AutoModelFor{'Sequence' if pooled['pooling'] else 'Token'}Classification"
        yield "The class of the model is in `model/pooled.py`, which transformers runs where it is told to trust it:"
        yield (
            f"```python\nfrom transformers import {auto}, AutoTokenizer\n\n"
            'tokenizer = AutoTokenizer.from_pretrained("model", trust_remote_code=True)\n'
            f'model = {auto}.from_pretrained("model", trust_remote_code=True)\n'
            'print(model(**tokenizer("a text", return_tensors="pt")).logits)\n```'
        )
    elif "labels" in head and "zero_shot" not in head:
        yield (
            "```python\nfrom transformers import pipeline\n\n"
            'classify = pipeline("text-classification", model="model")\nprint(classify("a text"))\n```'
        )
    else:
        yield "Load the folder `model` with transformers' Auto classes."


def _tags(manifest: Mapping[str, Any]) -> list[str]:
    return [f"tags: [hydratune, {manifest['task']}]"]


def _sizes(metrics: Mapping[str, Any]) -> list[str]:
    """What was trained, and how much room it and the model take."""
    if metrics.get("checkpoint_bytes") is None:
        return []
    return [
        f"What was trained, {metrics['trained_share']:.2%} of the parameters, is all that a checkpoint holds, the head "
        f"included: {size_text(metrics['checkpoint_bytes'])}. The folder `model` takes "
        f"{size_text(metrics['model_bytes'])}."
    ]


def _made(manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """What the model is for, and what was done with it."""
    choices, prepared = manifest["choices"], manifest["prepared"]
    task = manifest["task"].replace("_", " ")
    if metrics.get("total_steps") == 0:
        return (
            f"`model={choices['model']}` as it is, scored for {task} on `data={choices['data']}`: none of its "
            f"{prepared['total']:,} parameters were trained."
        )
    return (
        f"A model for {task}, tuned by `strategy={choices['strategy']}` from `model={choices['model']}` on "
        f"`data={choices['data']}`: {prepared['trainable']:,} of {prepared['total']:,} parameters were trained on "
        f"{_rows(prepared)} rows. The best checkpoint was step {metrics['best_step']}."
    )


def _chain(manifest: Mapping[str, Any]) -> list[str]:
    """Where the run stands in a chain of stages, if it does in one."""
    if not (stage := manifest.get("stage")):
        return []
    text = f"It is stage {stage['number']} of {stage['of']} of a chain, `{stage['name']}`"
    if source := stage["from"]:
        text += f", and started from the weights of the run `{source['id']}`, the stage before it"
    return [f"{text}."]


def _data(run: RunDirectory) -> list[str]:
    """Where the rows are from, and what their audit found, where it found something."""
    path = run.folder / "audit.json"
    found = audit_lines(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []
    source = run.manifest()["prepared"].get("source")
    parts = [f"Source: {source}."] if source else []
    parts += ["Found before training (rows in `audit.json`):", "\n".join(found)] if found else []
    return ["## Data", *parts] if parts else []


def _rows(prepared: Mapping[str, Any]) -> str:
    more = "more than " if prepared.get("stream") and not prepared["stream"]["whole"] else ""
    return f"{more}{prepared['rows'].get('train', 0):,}"


def _adapter(run: RunDirectory, head: Mapping[str, Any]) -> list[str]:
    """How PEFT loads what was trained alone, where the strategy saved that."""
    path = run.model / "adapter" / "adapter_config.json"
    if not path.exists():
        return []
    base = json.loads(path.read_text(encoding="utf-8"))["base_model_name_or_path"]
    text = (
        f"`model` has the adapter merged into it; `model/adapter` is what was trained alone, for `{base}` "
        "(or the folder of it that `python -m pipeline.prepare` prints)"
    )
    if "labels" not in head:
        return [f"{text}."]
    if pooled := head.get("pooled"):
        auto = f"AutoModelFor{'Sequence' if pooled['pooling'] else 'Token'}Classification"
        backbone = json.loads((run.model / "config.json").read_text(encoding="utf-8"))["backbone_class"]
        code = (
            f"from peft import PeftModel\nfrom transformers import AutoConfig, {backbone}, {auto}\n\n"
            'config = AutoConfig.from_pretrained("model", trust_remote_code=True)\n'
            f"whole = {auto}.from_config(config, trust_remote_code=True)\n"
            f'whole.backbone = {backbone}.from_pretrained("{base}")\n'
            'tuned = PeftModel.from_pretrained(whole, "model/adapter")'
        )
        return [f"{text}:", f"```python\n{code}\n```"]
    code = (
        "from peft import PeftModel\nfrom transformers import AutoModelForSequenceClassification\n\n"
        f'base = AutoModelForSequenceClassification.from_pretrained("{base}", num_labels={len(head["labels"])})\n'
        'tuned = PeftModel.from_pretrained(base, "model/adapter")'
    )
    return [f"{text}:", f"```python\n{code}\n```"]
