"""CPU time of the processes that a benchmark starts: what they would take on idle cores."""

import resource


def cpu_seconds() -> float:
    """Of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
