"""How long a fuzzer goes on: FUZZ_SECONDS of the environment, or a few seconds."""

import os
import time

SECONDS = float(os.environ.get("FUZZ_SECONDS", 6))
LEAST = 20  # rounds, however slow they are


def rounds(generator):
    """A seeded generator of random numbers a round, the same ones in every run."""
    end, seed = time.monotonic() + SECONDS, 0
    while seed < LEAST or time.monotonic() < end:
        yield generator(seed)
        seed += 1
