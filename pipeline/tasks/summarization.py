"""Summaries of long texts.

    a row of data   {"source": "The warning begins at 22:00 GMT on Saturday and ends at …", "target": "Ice is coming."}
    a prediction    {"text": "A warning of ice has been issued."}

Several summaries can be right: ``target`` may be a list.
"""

from typing import TYPE_CHECKING, ClassVar

from pipeline.component import component
from pipeline.tasks.base import Column, Head
from pipeline.tasks.text_to_text import TextToText

if TYPE_CHECKING:
    from torchmetrics import Metric


@component
class Summarization(TextToText):
    """Scored by ROUGE."""

    # As in the papers that report ROUGE for summaries.
    rouge_stemmer: bool = True
    # rougeLsum compares sentences, which are lines; true: texts without lines are cut at . ! ? too.
    rouge_split_sentences: bool = False

    columns: ClassVar[dict[str, Column]] = {
        "source": Column("the text to summarize"),
        "target": Column("its summary; a list where several are right"),
    }
    scored: ClassVar[tuple[str, ...]] = ("rouge1", "rouge2", "rougeL", "rougeLsum", "length_ratio")
    best_by: ClassVar[str] = "rougeL"

    def text_metrics(self, head: Head) -> "list[Metric]":
        from pipeline.tasks.writing.metrics import ROUGE_TYPES, LengthRatio

        rouge = self.rouge(head, ROUGE_TYPES, split_sentences=self.rouge_split_sentences)
        return [rouge, LengthRatio(reference=self.references_of)]
