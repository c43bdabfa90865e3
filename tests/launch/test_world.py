"""Who a process is, from what starts it."""

from pipeline.launch.world import World, world

SLURM = {
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NUM_NODES": "2",
}


def test_alone():
    assert world({}) == World() and World().size == 1
    batch = {"SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_JOB_ID": "3"}
    assert world(batch) == World(), "a batch script is none of the job's tasks"
    assert world({**SLURM, "SLURM_STEP_NUM_TASKS": "1"}) == World(), "nor is a step of one task"


def test_a_task_of_srun():
    assert world(SLURM) == World(rank=5, local_rank=1, size=8, local_size=4, node=1, nodes=2, starter="slurm")


def test_torchrun_inside_a_step():
    place = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    group = {"GROUP_RANK": "0", "GROUP_WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "x"}
    found = world({**SLURM, **place, **group})
    assert found == World(rank=1, local_rank=1, size=2, local_size=2, starter="torchrun")
