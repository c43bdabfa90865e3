"""mixup: pairs of training examples as one, their embeddings and their losses mixed in the same proportion.

Zhang et al. 2018 (arXiv:1710.09412); of texts at the embeddings of their tokens, Guo et al. 2019 (arXiv:1905.08941).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline.errors import BadInput, Problem

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline.tasks.base import Task

# Keeps these draws apart from others of the same seed and epoch.
_DRAWS = 1_710_09412
_KEY = "data.augmentation.mixup"


@dataclass(frozen=True)
class Mixup:
    """Mixes each example of a micro-batch with another one of it; ``alpha`` is the Beta distribution's parameter.

    The draws depend on the seed, the epoch and the numbers of the micro-batch's examples, so cutting a step into
    other micro-batches makes other pairs.
    """

    alpha: float
    seed: int

    def draw(self, numbers: list[int], epoch: int) -> tuple[list[int], list[float]]:
        """The partner of each example, by its place, and the example's own share."""
        generator = np.random.default_rng([self.seed, epoch, *numbers, _DRAWS])
        partners = generator.permutation(len(numbers))
        return partners.tolist(), generator.beta(self.alpha, self.alpha, len(numbers)).tolist()

    def loss(
        self, task: Task, model: nn.Module, batch: Mapping[str, Any], epoch: int
    ) -> tuple[Tensor, Tensor]:
        """The loss of a micro-batch, as the data module gives it, and its weight: sums, as those of an Output.

        A pair's loss is λ times that for one target and 1 − λ times that for the other; so is its weight.
        """
        inputs, targets = dict(batch["inputs"]), batch["inputs"]["labels"]
        numbers, shares = self.draw(batch["index"].tolist(), epoch)
        partners = torch.tensor(numbers, device=targets.device)
        share = torch.tensor(shares, device=targets.device)
        mask = inputs["attention_mask"]
        embedded = embeddings(model, inputs.pop("input_ids"))
        part = share.to(embedded.dtype)[:, None, None]
        inputs["inputs_embeds"] = part * embedded + (1 - part) * embedded[partners]
        # A pair is as long as the longer of the two.
        inputs["attention_mask"] = torch.maximum(mask, mask[partners])
        outputs = task.predict(model, inputs)
        assert isinstance(outputs, torch.Tensor)
        one, other = (task.example_losses(model, outputs, labels) for labels in (targets, targets[partners]))
        loss, weight = (share * a + (1 - share) * b for a, b in zip(one, other, strict=True))
        return loss.sum(), weight.sum()


def embeddings(model: nn.Module, input_ids: Tensor) -> Tensor:
    """(examples, tokens, hidden size) of the model's token embeddings alone."""
    return model.get_input_embeddings()(input_ids)  # type: ignore[operator]


@torch.no_grad()
def check(task: Task, model: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    """Raises BadInput unless the model makes the same of ``inputs`` where it is given their embeddings: some have no
    such input, others look for the end of a text in its tokens."""
    training = model.training
    model.eval()
    try:
        embedded = {name: value for name, value in inputs.items() if name != "input_ids"}
        embedded["inputs_embeds"] = embeddings(model, inputs["input_ids"])
        expected: Any = task.predict(model, inputs)
        found: Any = task.predict(model, embedded)
        same = torch.allclose(expected, found, atol=1e-4, rtol=1e-3)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise BadInput(Problem(_KEY, f"the model cannot be given embeddings: {error}", _ALLOWED)) from error
    finally:
        model.train(training)
    if not same:
        raise BadInput(
            Problem(
                _KEY, "the model reads tokens besides their embeddings, and mixed texts have none", _ALLOWED
            )
        )


_ALLOWED = "0; an encoder can, such as model=bert"
