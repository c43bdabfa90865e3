"""The time left, and lines where there is no terminal."""

from pipeline.training.progress import Pace, clock


def test_clock():
    assert [clock(seconds) for seconds in (5, 65, 3_700)] == ["0:05", "1:05", "1:01:40"]


def test_time_left_counts_the_steps_of_this_process_alone():
    now = [100.0]
    pace = Pace(done=50, total=100, now=lambda: now[0])
    assert pace.left(50) is None
    now[0] = 120.0
    assert pace.left(60) == 80.0  # ten steps took 20 seconds, 40 are left
