"""What a data source is, and the options every source shares."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from pipeline.component import component
from pipeline.errors import Problem, listing
from pipeline.sources.template import Template

if TYPE_CHECKING:
    from datasets import DatasetDict

    from pipeline.data.bad_rows import BadRow
    from pipeline.sources.reading.numbers import Wanted
    from pipeline.sources.reading.stream import FileStream

Fraction = Annotated[float, Field(ge=0, lt=1)]


@component
class Split:
    """How rows are held out where the source gives no validation or test split."""

    # Fraction of the training rows held out when there is no validation split. 0: no validation.
    validation: Fraction = 0.1
    # The same for the test split.
    test: Fraction = 0.1
    # Keep the share of each value of this column in every split. null: of `label`, where that is possible.
    stratify_by: str | None = None
    # Rows with the same value in this column stay together in one split.
    group_by: str | None = None
    # Cross-validation: with folds=k, fold i of k is the validation split.
    folds: Annotated[int, Field(ge=2)] | None = None
    fold: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0)] = 0


@component
class Augmentation:
    """Changes of training examples that are drawn anew each time an example is read; other splits stay as they are."""

    # Share of the words of a text that are left out (random deletion of Wei and Zou 2019, arXiv:1901.11196).
    deletion: Fraction = 0.0
    # Share of the words of a text that change places with another (their random swap).
    swap: Fraction = 0.0
    # Share of the tokens that the tokenizer's mask token takes the place of.
    mask: Fraction = 0.0
    # Parameter of the Beta distribution from which the weight of a pair of examples is drawn whose embeddings and
    # targets are mixed (Zhang et al. 2018, arXiv:1710.09412). 0: none are.
    mixup: Annotated[float, Field(ge=0)] = 0.0

    def chosen(self) -> dict[str, float]:
        """What is done, by name, and how much of it."""
        return {name: value for name, value in vars(self).items() if value}

    def inputs_vary(self) -> str | None:
        """Why an example is not the same in every epoch; None: it is."""
        chosen = list(self.chosen())
        return (
            f"data.augmentation ({listing(chosen)}) makes other examples in every epoch" if chosen else None
        )

    def conflicts(self, spec: Any) -> Iterator[Problem]:
        """What the task's targets, or the model, do not go together with."""
        able = spec.task.augmentations
        for name in [name for name in self.chosen() if name not in able]:
            what = f"targets of task={spec.choices.get('task')} would not follow such changes of a text"
            allowed = f"0; with this task: {listing(able) or 'none of them'}"
            if not able:
                allowed += (
                    "; tasks whose target is of a whole text can have them, such as text_classification"
                )
            yield Problem(f"data.augmentation.{name}", what, allowed)
        if self.mixup and {"causal_lm", "seq2seq_lm"} & set(spec.model.heads or ()):
            what = f"model={spec.choices.get('model')} finds the end of a text by its tokens, and mixed texts have none"
            yield Problem("data.augmentation.mixup", what, "0; an encoder can, such as model=bert")
        if self.mixup and 1 in (spec.trainer.batch_size, spec.hardware.micro_batch):
            what = "mixes an example with another of its micro-batch, which is of 1"
            yield Problem(
                "data.augmentation.mixup", what, "0, or larger trainer.batch_size and hardware.micro_batch"
            )


@component
class Source:
    """Base of all data sources: one file in ``pipeline/sources`` (or a module of yours) and one yaml."""

    # Which column plays which role of the task, e.g. {text: review, label: stars}. A role that is not named
    # here is read from the column of the same name.
    columns: dict[str, str] = Field(default_factory=dict)
    # Makes columns of others, and words of label values: an option of the group data/template.
    template: Template | None = None
    split: Split = Field(default_factory=Split)
    # Train on this many examples of each class (a value of the column `label`) only. Other splits stay whole.
    examples_per_class: Annotated[int, Field(ge=1)] | None = None
    # Draws these examples, so that runs of other seeds see the same ones.
    examples_seed: Annotated[int, Field(ge=0)] = 0
    # Use only this many rows of every split, drawn with split.seed (files are often sorted by label).
    limit: Annotated[int, Field(ge=1)] | None = None
    # Train on this many rows and validate and test on the same ones: a sound setup reaches a loss near 0.
    overfit: Annotated[int, Field(ge=1)] | None = None
    # What becomes of rows that cannot be read or used: the run stops before it starts, or it does without them and
    # keeps a list of them.
    on_bad_rows: Literal["stop", "skip"] = "stop"
    # Whether what the audit of the data finds severe stops the run, is only told, or is not looked for.
    audit: Literal["stop", "warn", "off"] = "stop"
    augmentation: Augmentation = Field(default_factory=Augmentation)

    licence: ClassVar[str] = ""
    # Options that only say where the rows lie: what is there is in the fingerprint.
    places: ClassVar[tuple[str, ...]] = ()
    # Options that change neither rows nor numbers.
    without_effect: ClassVar[tuple[str, ...]] = ("audit",)

    def conflicts(self, spec: Any) -> Iterator[Problem]:
        """What does not go together with other groups of the configuration."""
        if spec.train:
            yield from self.augmentation.conflicts(spec)

    def load(self) -> "DatasetDict":
        """The raw rows: splits ``train``, ``validation``, ``test`` as far as the source has them.

        Further validation sets are named ``validation_<name>``. Raises BadInput for a missing or broken file
        (with the line), an empty one, or a source that cannot be reached.
        """
        raise NotImplementedError

    def load_for(self, columns: "Mapping[str, Wanted | None]") -> "DatasetDict":
        """The same for a task.

        columns: those of the data that it reads, and which numbers it reads in each. It matters where the data does not
        say by itself what its cells are, as csv does not.
        """
        return self.load()

    def stream(self) -> "FileStream | None":
        """The training rows, where :meth:`load` does not give them since they are to be read as they are needed."""
        return None

    def skipped(self, columns: "Mapping[str, Wanted | None]") -> "Iterator[BadRow]":
        """The rows that :meth:`load_for` left out, where they may be (``on_bad_rows``)."""
        return iter(())

    def hold_out(self, data: "DatasetDict") -> "DatasetDict":
        """``data``, its columns renamed to the task's, with the splits that it lacks held out (see Split) and the
        rows chosen that the options ask for."""
        from pipeline.sources.splitting import split

        return split(
            data,
            self.split,
            examples_per_class=self.examples_per_class,
            examples_seed=self.examples_seed,
            limit=self.limit,
            overfit=self.overfit,
        )

    def rows_only(self) -> Self:
        """The same source without the options that act only when its rows are trained on."""
        return dataclasses.replace(self, augmentation=Augmentation())

    def division(self) -> Self:
        """The same source without the options that leave as it is which rows are held out of which."""
        return dataclasses.replace(self.rows_only(), limit=None)

    def parts(self) -> "dict[str, Source]":
        """The sources that this one is a mixture of, by name; nothing where it has rows of its own."""
        return {}

    def scores_parts(self) -> bool:
        """Whether each of its parts is scored by itself too."""
        return False

    def draws(self, examples: Mapping[str, int]) -> dict[str, int]:
        """How many examples of each of its parts an epoch draws. examples: how many there are to train on."""
        return dict(examples)

    def fingerprint(self) -> str:
        """A hash that changes when a byte of the data changes. Cheap: imports neither torch nor datasets."""
        raise NotImplementedError

    def describe(self) -> dict[str, str]:
        """What plan, manifest and model card say of it: ``source``, e.g. "reviews.csv", and its ``licence`` where it is
        known."""
        return {"source": type(self).__name__, **({"licence": self.licence} if self.licence else {})}

    def told(self) -> str:
        """What :meth:`describe` says, in one line."""
        facts = self.describe()
        return facts["source"] + (f" ({facts['licence']})" if facts.get("licence") else "")
