"""README.md of what was exported: what it is, how it is loaded, and what was proven of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.exporting.adapter import hub_id
from pipeline.reporting.licence import licence_lines, licence_text
from pipeline.reporting.model_card import markdown_table

if TYPE_CHECKING:
    from pipeline.compose.run_spec import ExportFormat
    from pipeline.exporting.subject import Subject
    from pipeline.runs.directory import RunDirectory

_LIBRARY = {"adapter": "peft", "onnx": "onnx"}
_LOADS = {"adapter": "PEFT", "onnx": "onnxruntime"}
_ADAPTER = """from peft import PeftConfig, PeftModel
from transformers import AutoConfig, AutoTokenizer, {auto}

# In this folder: paths in its files are relative to it.
adapter = PeftConfig.from_pretrained(".")
base = {auto}.from_pretrained(
    adapter.base_model_name_or_path, config=AutoConfig.from_pretrained("."), revision=adapter.revision
)
model = PeftModel.from_pretrained(base, ".")
tokenizer = AutoTokenizer.from_pretrained(".")"""
_ONNX = """import onnxruntime
from transformers import AutoTokenizer

session = onnxruntime.InferenceSession("model.onnx")
encoded = AutoTokenizer.from_pretrained(".")(["a text", "another one"], padding=True, return_tensors="np")
inputs = {{each.name: encoded[each.name] for each in session.get_inputs()}}
outputs = dict(zip([each.name for each in session.get_outputs()], session.run(None, inputs)))"""
_PLAIN = """from transformers import AutoTokenizer, {auto}

tokenizer = AutoTokenizer.from_pretrained(".")
model = {auto}.from_pretrained(".")"""
_CODE = {"adapter": _ADAPTER, "onnx": _ONNX}


def card(subject: Subject, format: ExportFormat, difference: float) -> str:
    """The card, in the form that model hubs read. difference: of what was loaded from the trained model."""
    trained, count = subject.trained, len(subject.inputs["input_ids"])
    licence, base = trained.spec.model.licence, hub_id(trained)
    front = [f"library_name: {_LIBRARY.get(format, 'transformers')}", *licence_lines(licence)]
    front += [f"base_model: {base}"] if base else []
    front += [f"tags: [hydratune, {trained.spec.choices['task']}]"]
    parts = [
        "\n".join(["---", *front, "---"]),
        f"# {trained.spec.name}",
        _what(subject, format),
        "## Scores",
        markdown_table(_scores(subject)),
        *(
            ["They are of the runs. Those of the mean are for you to measure."]
            if len(subject.runs) > 1
            else []
        ),
        "## Use",
        f"```python\n{_CODE.get(format, _PLAIN).format(auto=subject.auto_class)}\n```",
        "## Proof",
        f"Loaded by {_LOADS.get(format, 'transformers')} in a fresh process it computed what the trained model does on "
        f"{count} examples of the run's data: the largest difference was {difference:.1e}.",
        "## Licence",
        licence_text(licence),
    ]
    return "\n\n".join(parts) + "\n"


def _what(subject: Subject, format: ExportFormat) -> str:
    task = str(subject.trained.spec.choices["task"]).replace("_", " ")
    ids = ", ".join(f"`{run.manifest()['id']}`" for run in subject.runs)
    if len(subject.runs) > 1:
        return (
            f"A model for {task}: the mean of the weights of the runs {ids}, exported with `format={format}`."
        )
    choices = subject.trained.spec.choices
    return (
        f"A model for {task}, tuned by `strategy={choices['strategy']}` from `model={choices['model']}` on "
        f"`data={choices['data']}`: the run {ids}, exported with `format={format}`."
    )


def _scores(subject: Subject) -> list[list[str]]:
    """A column a run."""
    each = [_main(run) for run in subject.runs]
    names = dict.fromkeys(name for scores in each for name in scores)
    header = ["metric", *(str(run.manifest()["id"]) for run in subject.runs)]
    rows = [[name, *(f"{s[name]:.4f}" if name in s else "" for s in each)] for name in names]
    return [header, *rows]


def _main(run: RunDirectory) -> dict[str, float]:
    return {k: v for k, v in run.metrics().items() if k.count("/") == 1 and isinstance(v, float)}
