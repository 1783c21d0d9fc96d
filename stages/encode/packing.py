"""Integers of 3 to 8 bits in bytes, and the standard operators that take them apart again.

`count` values share `size` bytes: 4 six-bit values 3 bytes, 2 four-bit values 1, 8 of an odd width
as many bytes as bits. Every byte holds whole values in its upper bits; its lower bits, where some
are left, make up the remaining values. Values stand at the top of a byte in two's complement, so
that a Cast to int8 gives their sign, times 2**(8-bits).

Bits are masked before they are shifted: OpenVINO computes a right shift of constants as a rounded
division. Everything stays in bytes up to the end, because runtimes that fold constants keep every
intermediate result until the file is loaded.

A Cast to int8 and one to fp32 never stand in a row: ONNX Runtime up to 1.16 makes one Cast of the
two and loses the sign, without a word (microsoft/onnxruntime#17953 mended it). An Identity parts
them, which goes when a runtime folds the weight; in a table, which none folds, the joining of runs.
"""

import math

import numpy as np


def layout(bits):
    """(count, size, whole): values that share bytes, those bytes, whole values in each byte."""
    count = 8 // math.gcd(8, bits)
    return count, count * bits // 8, 8 // bits


def axis_of(shape, bits, first=0):
    """A negative axis, `first` or later, whose length the values of a group divide; else None."""
    count, _, _ = layout(bits)
    fitting = [axis for axis in range(first, len(shape)) if shape[axis] % count == 0]
    return fitting[-2 if len(fitting) > 1 else -1] - len(shape) if fitting else None


def pieces(bits):
    """How the values behind the whole ones are cut up: [[(byte, mask in it, left shift), …], …]."""
    count, size, whole = layout(bits)
    left = 8 - whole * bits
    stream = [(byte, bit) for byte in range(size) for bit in reversed(range(left))]
    values = []
    for value in range(count - whole * size):
        cut = {}
        for place, (byte, bit) in enumerate(stream[value * bits : (value + 1) * bits]):
            cut.setdefault((byte, 7 - place - bit), []).append(bit)
        values.append([(byte, sum(1 << b for b in found), by) for (byte, by), found in cut.items()])
    return values


def shifted(array, by):
    return array << by if by >= 0 else array >> -by


def pack(integers, bits, axis):
    """uint8 arrays, one a byte of the groups: `integers` cut into `count` runs along `axis`.

    Of 8 bits the integers themselves.
    """
    if bits == 8:
        return [integers.astype(np.int8)]
    count, size, whole = layout(bits)
    runs = np.split((integers.astype(np.int16) << (8 - bits)).astype(np.uint8), count, axis)
    packed = []
    for byte in range(size):
        content = np.zeros_like(runs[0])
        for level in range(whole):
            content |= runs[level * size + byte] >> (bits * level)
        packed.append(content)
    for run, cut in zip(runs[whole * size :], pieces(bits), strict=True):
        for byte, mask, by in cut:
            packed[byte] |= shifted(run, -by) & np.uint8(mask)
    return packed


def unpack(decoder, packed, bits, axis):
    """The value of an int8 array, `integers * 2**(8-bits)`, decoded by a graph's nodes."""
    if bits == 8:
        return packed[0]
    _, _, whole = layout(bits)
    top = (0xFF << (8 - bits)) & 0xFF
    runs = [
        _bits(decoder, byte, top >> (bits * level), bits * level)
        for level in range(whole)
        for byte in packed
    ]
    for cut in pieces(bits):
        parts = [_bits(decoder, packed[byte], mask, by) for byte, mask, by in cut]
        value = parts[0]
        for part in parts[1:]:
            value = decoder.op("BitwiseOr", value, part)
        runs.append(value)
    if decoder.weight.is_table:
        signed = [decoder.op("Cast", run, to=decoder.INT8) for run in runs]
        return decoder.op("Concat", *signed, axis=axis)
    signed = decoder.op("Cast", decoder.op("Concat", *runs, axis=axis), to=decoder.INT8)
    return decoder.op("Identity", signed)


def _bits(decoder, byte, mask, by):
    value = decoder.op("BitwiseAnd", byte, decoder.constant(mask))
    if by:
        direction = "LEFT" if by > 0 else "RIGHT"
        value = decoder.op("BitShift", value, decoder.constant(abs(by)), direction=direction)
    return value
