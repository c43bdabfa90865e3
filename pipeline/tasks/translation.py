"""Translation from one language to another.

    a row of data   {"source": "A man is sleeping.", "target": "Ein Mann schläft."}
    a prediction    {"text": "Ein Mann schläft."}

Several translations can be right: ``target`` may be a list. Or with all languages in one column, as in WMT's files,
of which ``source_language`` and ``target_language`` choose two:

    a row of data   {"translation": {"en": "A man is sleeping.", "de": "Ein Mann schläft."}}
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pipeline.component import component
from pipeline.data.origins import visible
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.tasks.base import Column, Head
from pipeline.tasks.cells import mapped
from pipeline.tasks.text_to_text import Row, TextToText

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torchmetrics import Metric
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Tokenizer = Literal["13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none"]


@component
class Translation(TextToText):
    """Scored by sacreBLEU and chrF.

    Head facts besides those of `TextToText`: ``bleu_tokenizer``.
    """

    # Codes of the languages, as the column `translation` or the model's tokenizer has them (en, de, …). Which
    # words BLEU counts depends on the target's.
    source_language: str | None = None
    target_language: str | None = None
    # What the model's tokenizer calls them where it differs, e.g. {en: eng_Latn, ro: ron_Latn} for NLLB.
    language_codes: dict[str, str] = Field(default_factory=dict)
    # How sacrebleu cuts texts into words. null: zh, ja-mecab and ko-mecab for those languages, 13a for others; by
    # the script of the training targets where target_language is null.
    bleu_tokenizer: Tokenizer | None = None
    # chrF++ (`chrfpp`) instead of chrF: words and pairs of words count besides characters.
    chrf_words: bool = False

    columns: ClassVar[dict[str, Column]] = {
        "source": Column("the text to translate", required=False),
        "target": Column("its translation; a list where several are right", required=False),
        "translation": Column("the texts by language, instead of source and target", required=False),
    }
    best_by: ClassVar[str] = "bleu"

    def source_of(self, row: Row) -> str:
        from pipeline.tasks.writing.rows import source_text

        return source_text(self._text(row, "source", self.source_language))

    def references_of(self, row: Row) -> list[str]:
        from pipeline.tasks.writing.rows import references

        return references(self._text(row, "target", self.target_language))

    def _text(self, row: Row, role: str, language: str | None) -> Any:
        """The cell of a role: a column of its own, or a language in the column `translation`."""
        if row.get(role) is not None or "translation" not in row:
            return row.get(role)
        cell = mapped(row["translation"])
        texts = cell if isinstance(cell, Mapping) else {}
        # Of "ro_RO" the column has "ro".
        names = [] if language is None else [language, language.split("_")[0]]
        return next((texts[name] for name in names if texts.get(name) is not None), None)

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        from pipeline.tasks.writing.rows import sample
        from pipeline.tasks.writing.words import bleu_tokenizer

        if problems := [*self._column_problems(data), *self._language_problems(data)]:
            raise BadInput(problems)
        head = super().learn(data, config)
        texts = sample(data["train"], list(self.columns), lambda row: self.references_of(row)[0])
        chosen = self.bleu_tokenizer or bleu_tokenizer(self.target_language, texts)
        _check_bleu_tokenizer(chosen)
        return {**head, "bleu_tokenizer": chosen}

    def _column_problems(self, data: "DatasetDict") -> list[Problem]:
        """Splits with neither columns of their own for both texts nor `translation`."""
        problems = []
        for role, language in (("source", self.source_language), ("target", self.target_language)):
            lacking = [
                name for name, rows in data.items() if not {role, "translation"} & {*rows.column_names}
            ]
            if lacking:
                there = visible(data[lacking[0]].column_names)
                what = f"there is no column {role!r}, and none called 'translation', in {listing(lacking)}"
                name = language if language in there else "NAME"
                allowed = f"{listing(there)}; say which: data.columns.{role}={name}"
                problems.append(Problem(f"data.columns.{role}", what, allowed))
        return problems

    def _language_problems(self, data: "DatasetDict") -> list[Problem]:
        """Languages that the column `translation` lacks, or that are not said to be read of it."""
        problems = {}
        for split, rows in data.items():
            has = "translation" in rows.column_names and len(rows)
            cell = mapped(rows[0]["translation"]) if has else None
            there = list(cell) if isinstance(cell, Mapping) else []
            for role in ("source", "target"):
                language, key = getattr(self, f"{role}_language"), f"task.{role}_language"
                if role in rows.column_names or not there:
                    continue
                if language is None:
                    what = "must be set, because the texts are in the column 'translation'"
                    problems[key] = Problem(key, what, listing(there))
                elif language not in there and language.split("_")[0] not in there:
                    what = f"the column 'translation' of {split} has no {language!r}"
                    problems[key] = Problem(key, what, listing(there), nearest(language, there))
        return list(problems.values())

    def describe(self, head: Head) -> dict[str, str]:
        return {**super().describe(head), "BLEU": f"words by sacrebleu's tokenizer {head['bleu_tokenizer']}"}

    def prepare_generation(
        self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> None:
        from pipeline.tasks.writing.languages import begin_with_language, needs_languages

        super().prepare_generation(model, tokenizer, head)
        if needs_languages(tokenizer):
            self.set_languages(tokenizer)
            begin_with_language(model, tokenizer)

    def set_languages(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        from pipeline.tasks.writing.languages import needs_languages, set_languages

        if needs_languages(tokenizer):
            set_languages(tokenizer, self.source_language, self.target_language, self.language_codes)

    def _has_targets(self, rows: Mapping[str, list[Any]]) -> bool:
        return "target" in rows or "translation" in rows

    def text_metrics(self, head: Head) -> "list[Metric]":
        from pipeline.tasks.writing.metrics import Bleu, Chrf, LengthRatio

        where: dict[str, Any] = {"reference": self.references_of}
        return [Bleu(head["bleu_tokenizer"], **where), Chrf(self.chrf_words, **where), LengthRatio(**where)]

    def directions(self, head: Head) -> dict[str, bool]:
        names = ("bleu", "chrfpp" if self.chrf_words else "chrf", "length_ratio")
        return {"loss": False, **dict.fromkeys(names, True)}


def _check_bleu_tokenizer(name: str) -> None:
    """Raises BadInput for a tokenizer whose program is not installed."""
    from sacrebleu.metrics import BLEU

    try:
        BLEU(tokenize=name)
    except (RuntimeError, ImportError) as error:
        what = f"{name} needs a program that is not installed"
        allowed = f"pip install 'sacrebleu[{name[:2]}]', or task.bleu_tokenizer=char"
        raise BadInput(Problem("task.bleu_tokenizer", what, allowed)) from error
