"""Several sources in one run: ``data=mixture +data@data.sources.ours=movie_snippets +data@data.sources.mine=files``."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from pipeline.component import CHOSEN, component
from pipeline.data.joining import of_each
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.sources.base import Source
from pipeline.sources.files import SetName

if TYPE_CHECKING:
    from datasets import DatasetDict


Positive = Annotated[float, Field(gt=0)]
# Options that only each source for itself can have, and those that are said for all of them together.
OF_EACH = ("columns", "template", "split", "examples_per_class", "examples_seed")
OF_ALL = ("on_bad_rows", "audit", "augmentation")


@component
class Mixture(Source):
    """Training examples drawn from several sources, each with options, columns and a template of its own.

    A source's share of an epoch is in proportion to its weight, without weights to the number n of its training
    examples, to the power of 1/temperature: n^(1/T), as multilingual models are trained (the exponentially smoothed
    weighting of multilingual BERT, github.com/google-research/bert/blob/master/multilingual.md; temperature-scaled
    mixing of T5, Raffel et al. 2020, arXiv:1910.10683, section 3.5.2; T = 5 in Arivazhagan et al. 2019,
    arXiv:1907.05019). What is held out of each is validated and tested on together.
    """

    # Name -> a source, as `data=…` would choose it.
    sources: dict[SetName, Annotated[Source, CHOSEN]] = Field(default_factory=dict)
    # Name -> weight. null: as many examples as each has.
    weights: dict[str, Positive] | None = None
    # 1: shares as the weights (or sizes) are; the larger, the more equal.
    temperature: Positive = 1.0
    # Examples that an epoch draws. null: as many as there are in all.
    rows: Annotated[int, Field(ge=1)] | None = None
    # Score the validation and test rows of every source by themselves, too.
    score_each: bool = False
    # The source whose columns and template rows to predict are read with. null: the one whose columns they have.
    predict_as: str | None = None

    without_effect = (*Source.without_effect, "predict_as")

    @model_validator(mode="after")
    def _goes_together(self) -> "Mixture":
        problems = [*self._of_sources(), *self._of_weights(), *self._of_options()]
        if problems:
            raise BadInput(problems)
        return self

    def _of_sources(self) -> Iterator[Problem]:
        if len(self.sources) < 2:
            there = f"only {listing(self.sources)}" if self.sources else "none"
            what = f"a mixture has two sources or more, and this has {there}"
            yield Problem("sources", what, "+data@data.sources.NAME=OPTION for each")
        for name, source in self.sources.items():
            if source.parts():
                yield Problem(f"sources.{name}", "is a mixture itself", "its sources, beside the others")
            if getattr(source, "streaming", False):
                what = "is drawn from together with others, and a stream gives its rows in its own order"
                yield Problem(f"sources.{name}.streaming", what, "false")
        if self.rows is not None and self.rows < len(self.sources):
            what = f"{self.rows} cannot hold an example of each of the {len(self.sources)} sources"
            yield Problem("rows", what, f"{len(self.sources)} or more, or null")
        if self.predict_as is not None and self.predict_as not in self.sources:
            close = nearest(self.predict_as, self.sources)
            what = f"there is no source {self.predict_as!r}"
            yield Problem("predict_as", what, f"{listing(self.sources)}, or null", close)

    def _of_weights(self) -> Iterator[Problem]:
        if self.weights is None:
            return
        for name in sorted(self.weights.keys() - self.sources.keys()):
            close = nearest(name, self.sources)
            yield Problem(f"weights.{name}", "there is no source of this name", listing(self.sources), close)
        for name in sorted(self.sources.keys() - self.weights.keys()):
            yield Problem(
                f"weights.{name}", "must be set: the other sources have weights", "a number above 0"
            )

    def _of_options(self) -> Iterator[Problem]:
        plain = Source()
        for option in OF_EACH:
            if getattr(self, option) != getattr(plain, option):
                what = "is what each source has for itself"
                yield Problem(
                    option, what, f"data.sources.NAME.{option}, with NAME of {listing(self.sources)}"
                )
        for name, source in self.sources.items():
            for option in OF_ALL:
                if getattr(source, option) != getattr(plain, option):
                    yield Problem(
                        f"sources.{name}.{option}", "is said of all sources at once", f"data.{option}"
                    )

    def parts(self) -> dict[str, Source]:
        """By name, so that the order in which they are written changes nothing."""
        return {
            name: dataclasses.replace(
                source,
                limit=_smaller(source.limit, self.limit),
                overfit=_smaller(source.overfit, self.overfit),
                on_bad_rows=self.on_bad_rows,
            )
            for name, source in sorted(self.sources.items())
        }

    def scores_parts(self) -> bool:
        return self.score_each

    def draws(self, examples: Mapping[str, int]) -> dict[str, int]:
        """Shares rounded so that they add up (largest remainders), and at least one example of each source."""
        sizes = examples if self.weights is None else self.weights
        # Logarithms: a small temperature makes powers that no float holds.
        scaled = {name: math.log(sizes[name]) / self.temperature for name in examples}
        powers = {name: math.exp(value - max(scaled.values())) for name, value in scaled.items()}
        size = self.rows or sum(examples.values())
        exact = {name: size * power / sum(powers.values()) for name, power in powers.items()}
        drawn = {name: max(1, math.floor(share)) for name, share in exact.items()}
        while missing := size - sum(drawn.values()):
            few = missing > 0
            able = [name for name, count in drawn.items() if few or count > 1]
            name = max(able, key=lambda name: (exact[name] - drawn[name]) * missing)
            drawn[name] += 1 if few else -1
        return drawn

    def load(self) -> "DatasetDict":
        raise NotImplementedError("a mixture is read source by source: parts()")

    def rows_only(self) -> Self:
        """Without what only decides which of the encoded rows are drawn."""
        plain = super().rows_only()
        return dataclasses.replace(plain, weights=None, temperature=1.0, rows=None)

    def division(self) -> Self:
        """Without the limits of each either."""
        apart = {name: source.division() for name, source in self.sources.items()}
        return dataclasses.replace(super().division(), sources=apart, score_each=False)

    def fingerprint(self) -> str:
        """Of the sources' fingerprints and names."""
        found = of_each(self.parts(), lambda source: source.fingerprint())
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()

    def describe(self) -> dict[str, str]:
        return {"source": "; ".join(f"{name}: {source.told()}" for name, source in self.parts().items())}


def _smaller(one: int | None, other: int | None) -> int | None:
    given = [count for count in (one, other) if count is not None]
    return min(given, default=None)
