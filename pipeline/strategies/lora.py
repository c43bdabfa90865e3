"""LoRA and its variants: low-rank updates of chosen Linear modules, with a head that is trained in full."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.component import component
from pipeline.errors import BadInput, Problem
from pipeline.strategies.base import HeadRate, Strategy

if TYPE_CHECKING:
    from torch import Tensor, nn

Rank = Annotated[int, Field(ge=1)]
Alpha = Annotated[float, Field(gt=0)]

# Training examples by whose activations eva begins.
EVA_EXAMPLES = 1_024


@component
class Lora(Strategy):
    """Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685) by PEFT.

    Each chosen module's output gets ``(alpha / r) * B A x`` added, of which only A and B are trained. What
    lies outside the backbone is new or belongs to the task: it is trained in full and saved with the adapter, and so is
    what the checkpoint does not have.
    """

    # Its steps are cheaper and move less.
    least_steps: ClassVar[int] = 300
    head_rates: ClassVar[tuple[float, float]] = (2.0, 10.0)

    # Names of modules, in full or their last parts (`query`, `attn.Wqkv`), or regular expressions for full names;
    # all-linear: all of the backbone.
    modules: list[str] | str
    r: Rank = 8
    alpha: Alpha = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # Other ranks and alphas for some of the modules, by names as in `modules`; of several that fit, the first.
    rank_pattern: dict[str, Rank] = Field(default_factory=dict)
    alpha_pattern: dict[str, Alpha] = Field(default_factory=dict)
    # Scale by alpha / sqrt(r), which large ranks need (Kalajdzievski 2023, arXiv:2312.03732).
    use_rslora: bool = False
    # Train the length of each column of a weight apart from its direction (DoRA, Liu et al. 2024, arXiv:2402.09353).
    use_dora: bool = False
    # What A and B start as. default: B is zero. pissa: the largest singular vectors of the weight (Meng et al. 2024,
    # arXiv:2404.02948). olora: the first columns of its QR decomposition (Büyükakyüz 2024, arXiv:2406.01775). eva: A is
    # made of the directions in which the module's inputs vary most (Paischer et al. 2024, arXiv:2410.07170).
    init: Literal["default", "pissa", "olora", "eva"] = "default"
    # Learning rate of B in terms of that of A (LoRA+, Hayou et al. 2024, arXiv:2402.12354, who recommend 16 with a
    # lower rate for A). null: the same.
    loraplus_lr_ratio: Annotated[float, Field(gt=0)] | None = None
    # Compute a module and its update in one piece: the same numbers but for rounding, sooner.
    fused: bool = True
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    head_rate: HeadRate = "auto"

    @model_validator(mode="after")
    def _starts_as_the_model(self) -> "Lora":
        if self.init == "eva" and self.rank_pattern:
            raise ValueError("init: eva gives every module the same rank: no rank_pattern")
        # What is saved of them is their difference from the start, which DoRA's lengths do not add up to.
        if self.use_dora and self._decomposes:
            raise ValueError(f"use_dora: true does not go together with init: {self.init}, but with default")
        return self

    @property
    def _decomposes(self) -> bool:
        """Whether A and B begin as a part of the weights, which is taken out of them."""
        return self.init in ("pissa", "olora")

    def adapt(self, model: "nn.Module") -> "nn.Module":
        """Raises BadInput, with the names there are, where a name is no Linear module of the backbone."""
        from peft import EvaConfig, LoraConfig
        from transformers.pytorch_utils import Conv1D

        from pipeline.strategies import decomposed, low_rank, peft_models
        from pipeline.strategies.parts import added_rows, whole_modules
        from pipeline.strategies.targets import chosen

        modules = chosen(model, self.modules)
        transposed = [isinstance(module, Conv1D) for module in modules.values()]
        if self.init == "olora" and any(transposed):
            what = f"the weights of {type(model).__name__} are transposed, which PEFT's olora does not know"
            raise BadInput(Problem("strategy.init", what, "default, pissa"))
        ranks = self._by_module(model, modules, "rank_pattern")
        if self.init == "eva":
            self._check_widths(modules)
        if self._decomposes:
            self._check_sizes(modules, ranks)
        on_meta = any(weight.is_meta for weight in model.parameters())
        config = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            target_modules=sorted(modules),
            modules_to_save=whole_modules(model),  # type: ignore[arg-type]
            rank_pattern=ranks,
            alpha_pattern=self._by_module(model, modules, "alpha_pattern"),
            use_rslora=self.use_rslora,
            use_dora=self.use_dora,
            # Weights that are not there cannot be decomposed; how many there will be does not depend on it.
            init_lora_weights=True if self.init == "default" or on_meta else self.init,
            eva_config=EvaConfig(rho=1.0) if self.init == "eva" and not on_meta else None,
            # GPT-2's modules hold their weights transposed.
            fan_in_fan_out=all(transposed),
            # New words mean nothing yet, and nothing else could teach the model what they mean.
            trainable_token_indices=added_rows(model),  # type: ignore[arg-type]
        )
        adapted = peft_models.wrapped(model, config)
        if self._decomposes and not on_meta:
            decomposed.remember_start(adapted)
        return low_rank.fuse(adapted) if self.fused else adapted

    def _check_widths(self, modules: "dict[str, nn.Module]") -> None:
        """There are no more directions than a module's inputs are wide."""
        from transformers.pytorch_utils import Conv1D

        widths = {
            name: int(module.nx if isinstance(module, Conv1D) else module.in_features)  # type: ignore[arg-type]
            for name, module in modules.items()
        }
        narrowest = min(widths, key=widths.__getitem__)
        if self.r > widths[narrowest]:
            what = f"eva looks for {self.r} directions, and what {narrowest} reads has {widths[narrowest]}"
            raise BadInput(Problem("strategy.r", what, f"1 to {widths[narrowest]}"))

    def _check_sizes(self, modules: "dict[str, nn.Module]", ranks: Mapping[str, int]) -> None:
        """A weight has no more singular vectors, or columns in its QR decomposition, than its shorter side is long."""
        problems = []
        for where, names in (("strategy.r", modules.keys() - ranks.keys()), ("strategy.rank_pattern", ranks)):
            sizes = {name: min(modules[name].weight.shape) for name in sorted(names)}  # type: ignore[arg-type]
            wrong = [name for name, size in sizes.items() if ranks.get(name, self.r) > size]
            if wrong:
                first = min(wrong, key=sizes.__getitem__)
                rank, most = ranks.get(first, self.r), sizes[first]
                what = f"{self.init} takes {rank} directions of each weight, and that of {first} has {most}"
                problems.append(Problem(where, what, f"1 to {most}"))
        if problems:
            raise BadInput(problems)

    @property
    def looks_at(self) -> int:
        return EVA_EXAMPLES if self.init == "eva" else 0

    def start(self, model: "nn.Module", batches: "Sequence[Mapping[str, Tensor]]") -> None:
        from pipeline.strategies.activations import initialise

        if self.init == "eva":
            initialise(model, batches, self.r)

    def _by_module(self, model: "nn.Module", modules: "dict[str, nn.Module]", key: str) -> dict[str, Any]:
        """``rank_pattern`` or ``alpha_pattern`` by the full names of the modules that it is about."""
        from pipeline.strategies.targets import matching

        pattern: dict[str, Any] = getattr(self, key)
        if not pattern:
            return {}
        found = matching(model, modules, list(pattern), f"strategy.{key}")
        return {full: pattern[name] for name in reversed(pattern) for full in sorted(found[name])}

    def factors(self, model: "nn.Module") -> dict[str, float]:
        """As for every strategy; with ``loraplus_lr_ratio`` those of B too."""
        return {
            **Strategy.factors(self, model),
            **dict.fromkeys(self._b(model), self.loraplus_lr_ratio or 1.0),
        }

    def labels(self, model: "nn.Module") -> dict[str, str]:
        return {**Strategy.labels(self, model), **dict.fromkeys(self._b(model), "B of LoRA")}

    def _b(self, model: "nn.Module") -> list[str]:
        """The names of the weights that have a learning rate of their own."""
        if self.loraplus_lr_ratio is None:
            return []
        return [name for name, _ in model.named_parameters() if ".lora_B." in name]

    def merge(self, model: Any) -> "nn.Module":
        """The updates added to the weights that they belong to. ``model`` is used up."""
        return model.merge_and_unload()

    def save(self, model: Any, folder: str) -> Sequence[str]:
        """The adapter as PEFT loads it on the pretrained model: configuration, weights and those of the head."""
        from pipeline.strategies import decomposed, peft_models

        files = peft_models.save(model, folder)
        if self._decomposes:
            decomposed.save_as_plain(model, folder)
        return files
