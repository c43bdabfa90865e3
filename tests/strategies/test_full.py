"""Full fine-tuning trains everything."""

from pipeline.strategies.base import trained_keys
from pipeline.strategies.full import Full
from tests.models import families


def test_everything_is_trained() -> None:
    model = families.classifier("bert").requires_grad_(False)
    adapted = Full().adapt(model)
    assert all(parameter.requires_grad for parameter in adapted.parameters())
    assert trained_keys(adapted) == set(adapted.state_dict())
    Full().train_mode(adapted)
    assert all(module.training for module in adapted.modules())
    assert Full().merge(adapted) is adapted
    assert Full().save(adapted, "nowhere") == ()
