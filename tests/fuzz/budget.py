"""How long a fuzzer goes on, and what its rounds may take.

FUZZ_SECONDS of the environment, or a few seconds. A round that hangs or fills the memory is a bug
of what is fuzzed, whatever comes out of it.
"""

import os
import resource
import time

SECONDS = float(os.environ.get("FUZZ_SECONDS", 6))
LEAST = 20  # rounds, however slow they are
ROUND = 30  # seconds of CPU time that one may take
MEMORY = 300 << 10  # KiB that all rounds together may add


def rounds(generator, memory=MEMORY):
    """A seeded generator of random numbers a round, the same ones in every run."""
    end, before, seed = time.monotonic() + SECONDS, peak(), 0
    while seed < LEAST or time.monotonic() < end:
        start = time.process_time()
        yield generator(seed)
        taken = time.process_time() - start
        assert taken < ROUND, f"round {seed} took {taken:.0f} s"
        assert peak() - before < memory, f"round {seed} took {peak() - before >> 10} MiB"
        seed += 1


def peak():
    """KiB of memory that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
