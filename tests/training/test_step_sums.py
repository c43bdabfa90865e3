from types import SimpleNamespace

import torch

from pipeline.training.step_sums import StepSums


def test_a_step_is_the_sum_of_its_micro_batches_and_the_next_one_begins_anew():
    sums, alone = StepSums(), SimpleNamespace(world_size=1)
    for loss, weight in ((2.0, 3), (4.0, 1)):
        sums.add(torch.tensor(loss, requires_grad=True), torch.tensor(weight))
    assert [float(number) for number in sums.take(alone)] == [6.0, 4.0]
    sums.add(torch.tensor(1.0, dtype=torch.bfloat16), torch.tensor(2))
    loss, weight = sums.take(alone)
    assert (float(loss), float(weight), loss.dtype) == (1.0, 2.0, torch.float32) and not loss.requires_grad


def test_of_several_processes_both_are_added_at_once():
    sums, asked = StepSums(), []

    def reduce(step, reduce_op):
        asked.append(reduce_op)
        return 2 * step

    sums.add(torch.tensor(3.0), torch.tensor(5))
    both = SimpleNamespace(world_size=2, strategy=SimpleNamespace(reduce=reduce))
    assert [float(number) for number in sums.take(both)] == [6.0, 10.0] and asked == ["sum"]
