"""Noise that anyone who has torch can make again: what its CPU generator gives after seed 0.

Drawn in the order in which torchmultimodal's tests of its CLIPs draw it: pictures of four sizes,
then token ids, which have no start token and end where the highest id stands.
"""

SIDES = (224, 288, 384, 448)
LENGTH = 77
VOCABULARY = 49408


def drawn():
    """({side: pixels float32 [1, 3, side, side]}, input_ids int64 [1, 77])."""
    import torch  # which no other answer needs

    generator = torch.Generator().manual_seed(0)
    pixels = {side: torch.randn(1, 3, side, side, generator=generator).numpy() for side in SIDES}
    return pixels, torch.randint(0, VOCABULARY, (1, LENGTH), generator=generator).numpy()
