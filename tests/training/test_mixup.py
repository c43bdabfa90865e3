"""mixup by hand, on models of several families; and which of them it refuses."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.errors import BadInput
from pipeline.tasks.regression import Regression
from pipeline.tasks.text_classification import TextClassification
from pipeline.training.mixup import Mixup, check
from tests.models.families import FAMILIES, PAD

IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, PAD, PAD], [2, 9, 10, 3, PAD]])
MASK = (IDS != PAD).long()
NUMBERS = torch.tensor([4, 11, 7])


def model(name: str, labels: int, **options):
    import transformers

    family = FAMILIES[name]
    tokens = {"pad_token_id": PAD, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
    sizes = {"vocab_size": 40, "num_labels": labels, **tokens}
    config = family.config(**{**sizes, **family.sizes, **options})
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_config(config).eval()


def by_hand(net, seed: int, epoch: int, alpha: float):
    """Partners, shares, and the logits of each mixed pair, one pair at a time."""
    draw = np.random.default_rng([seed, epoch, *NUMBERS.tolist(), 1_710_09412])
    partners, shares = draw.permutation(3), draw.beta(alpha, alpha, 3)
    logits = []
    for one, (other, share) in enumerate(zip(partners, shares, strict=True)):
        table = net.get_input_embeddings().weight
        mixed = share * table[IDS[one]] + (1 - share) * table[IDS[other]]
        length = int(max(MASK[one].sum(), MASK[other].sum()))
        mask = torch.tensor([[1] * length + [0] * (5 - length)])
        logits.append(net(inputs_embeds=mixed[None].float(), attention_mask=mask).logits[0])
    return partners, shares, torch.stack(logits)


def batch(labels: torch.Tensor) -> dict:
    return {"inputs": {"input_ids": IDS, "attention_mask": MASK, "labels": labels}, "index": NUMBERS}


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert"])
def test_classes_by_hand_with_weights_and_smoothing(name: str):
    weights = [1.0, 3.0]
    net, labels = model(name, 2, class_weights=weights), torch.tensor([0, 1, 1])
    partners, shares, logits = by_hand(net, 1, 2, 0.4)
    loss = weight = 0.0
    for one, (other, share) in enumerate(zip(partners, shares, strict=True)):
        for label, part in ((labels[one], share), (labels[other], 1 - share)):
            loss += part * functional.cross_entropy(
                logits[one : one + 1], label[None], torch.tensor(weights), reduction="sum", label_smoothing=0.1
            )  # fmt: skip
            weight += part * weights[label]
    found = Mixup(0.4, 1).loss(TextClassification(label_smoothing=0.1), net, batch(labels), 2)
    torch.testing.assert_close(found[0], loss.float())
    assert float(found[1]) == pytest.approx(float(weight))


def test_several_labels_and_numbers_by_hand():
    net = model("bert", 2)
    partners, shares, logits = by_hand(net, 0, 0, 1.0)
    share = torch.tensor(shares).float()
    several = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    expected = sum(
        part @ functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(-1)
        for part, targets in ((share, several), (1 - share, several[partners]))
    )
    found = Mixup(1.0, 0).loss(TextClassification(multi_label=True), net, batch(several), 0)
    torch.testing.assert_close(found[0], expected)
    numbers = torch.tensor([[0.5, -1.0], [2.0, 0.0], [-0.3, 0.1]])
    expected = sum(
        part @ (logits - targets).abs().mean(-1)
        for part, targets in ((share, numbers), (1 - share, numbers[partners]))
    )
    task = Regression(error="mae", target_columns=["a", "b"])
    found = Mixup(1.0, 0).loss(task, net, batch(numbers), 0)
    torch.testing.assert_close(found[0], expected)
    assert float(found[1]) == pytest.approx(3)


def test_the_unmixed_loss_is_the_sum_of_examples():
    net, labels = model("bert", 2), torch.tensor([0, 1, 1])
    task = TextClassification()
    whole = task.loss(net, batch(labels)["inputs"])
    losses, weights = task.example_losses(net, whole.predictions, labels)
    torch.testing.assert_close(losses.sum(), whole.loss)
    assert float(weights.sum()) == float(whole.weight) == 3


def test_draws_are_of_seed_epoch_and_examples():
    draw = Mixup(0.4, 1).draw
    assert draw([1, 2, 3], 0) == draw([1, 2, 3], 0)
    assert draw([1, 2, 3], 0) != draw([1, 2, 3], 1)
    assert draw([1, 2, 3], 0) != draw([1, 2, 4], 0)
    assert draw([1, 2, 3], 0) != Mixup(0.4, 2).draw([1, 2, 3], 0)
    shares = [share for number in range(300) for share in draw([number, 5, 6, 7], 0)[1]]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.var(shares) == pytest.approx(0.25 / (2 * 0.4 + 1), abs=0.02)


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.heads])
def test_every_family_can_be_mixed_or_is_refused(name: str):
    net, inputs = model(name, 2), {"input_ids": IDS, "attention_mask": MASK}
    if FAMILIES[name].kind == "encoder":
        check(TextClassification(), net, inputs)
        return
    with pytest.raises(BadInput, match=r"data\.augmentation\.mixup"):
        check(TextClassification(), net, inputs)
