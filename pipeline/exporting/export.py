"""From finished runs to a folder that others load: written, loaded in a fresh process, compared, then renamed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadInput, Problem, RunFailed
from pipeline.exporting import adapter, average, onnx, plain
from pipeline.exporting.card import card
from pipeline.exporting.subject import subject_of
from pipeline.exporting.target import appearing, check_target
from pipeline.launch.inference import Trained
from pipeline.models import pooled_loading
from pipeline.runs.verification import ModelDiffers, verify

if TYPE_CHECKING:
    from pipeline.compose.run_spec import ExportFormat
    from pipeline.compose.using import Used

USUAL: ExportFormat = "huggingface"
FORMATS = {"huggingface": plain, "merged": plain, "adapter": adapter, "onnx": onnx}


def export(used: Sequence[Used], format: ExportFormat | None, output: str | None) -> tuple[Path, float]:
    """Write one run, or the mean of several, into the folder ``output``; the folder, and by how much what was loaded
    from it differs at most from the trained model on examples of the run's data.

    Raises BadInput for what cannot be exported so, and RunFailed where the written folder does not load or computes
    something else; then nothing is left of it.
    """
    target, chosen = check_target(output), format or USUAL
    members = [Trained(each.run, each.spec, each.hardware) for each in used]
    if found := list(dict.fromkeys(_problems(members, chosen))):
        raise BadInput(found)
    if average.started_apart(members):
        print(
            "warning: these runs started from different weights; the mean of such is seldom good",
            file=sys.stderr,
        )
    first, runs = members[0], [each.run for each in used]
    model = average.average(members) if len(members) > 1 else first.model
    subject = subject_of(first, model, runs)
    with appearing(target) as folder:
        written = FORMATS[chosen].write(subject, folder)
        try:
            difference = verify(
                folder,
                subject.auto_class,
                written.inputs,
                written.expected,
                first.tokenizer,
                subject.texts,
                loader=written.loader,
                base=written.base,
                code=pooled_loading.code() if pooled_loading.is_pooled(subject.config) else None,
            )
        except ModelDiffers as error:
            raise RunFailed(str(error).replace(str(folder), str(target))) from error
        (folder / "README.md").write_text(card(subject, chosen, difference), encoding="utf-8")
    return target, difference


def _problems(members: Sequence[Trained], format: ExportFormat) -> Iterator[Problem]:
    for member in members:
        yield from FORMATS[format].problems(member)
    if len(members) > 1:
        if format == "adapter":
            what = "adapters have no mean: that of their products is another"
            yield Problem("format", what, "format=merged or huggingface")
        yield from average.problems(members)
