"""Pillow's resampling with antialiasing, along one axis, as matrix products.

`Resize` would be one node, but ONNX Runtime computes its coordinates in single precision, which
moves up to 0.3 % of the values, and OpenVINO leaves antialiasing out. Here coordinates are
integers: output i of `after` is centred on (2i + 1) * before / (2 * after), and the weight of input
j depends on |(2j + 1) * after - (2i + 1) * before| alone.

Pillow computes weights in double precision, rounds them to 22 binary digits, sums integers, and
rounds what comes out to 8 bits. So does this, or where a picture is divided evenly most of a
gradient would fall to the other side of a half. Sums are exact in single precision because the
weights are multiplied in two halves of 11 digits.
"""

from onnx_ir import DataType

MOST_IN_A_BLOCK = 32
HALF, WHOLE = 2.0**11, 2.0**22


def cubic(op, x):
    """The weight of an input in the distance `x` from an output."""
    near = op.Add(op.Mul(op.Mul(op.Sub(op.Mul(x, 1.5), 2.5), x), x), 1.0)
    far = op.Mul(op.Sub(op.Mul(op.Add(op.Mul(op.Sub(x, 5.0), x), 8.0), x), 4.0), -0.5)
    return op.Where(op.Less(x, 1.0), near, op.Where(op.Less(x, 2.0), far, 0.0))


def linear(op, x):
    return op.Max(op.Sub(1.0, x), 0.0)


FILTERS = {"bicubic": (cubic, 2), "bilinear": (linear, 1)}  # and how far they reach


def kernel(op, before, after, start, count, interpolation="bicubic", beyond=False):
    """(inputs, weights) of the outputs `start` to `start + count` of all `after`. Those `beyond`
    them, if there may be any, are as the outermost.

    `before`, `after` and `start` are integers [1]. Outputs are computed in blocks, each from a
    window of inputs: int64 [blocks, width], double [blocks, width, size].
    """
    size = max(n for n in range(1, MOST_IN_A_BLOCK + 1) if count % n == 0)
    outputs = op.Reshape(op.Add(op.Range(0, count, 1), start), [-1, size])
    if beyond:
        outputs = op.Min(op.Max(outputs, 0), op.Sub(after, 1))
    centres = op.Mul(_odd(op, outputs), before)  # in halves of 1 / after
    scale = op.Mul(op.Max(before, after), 2)
    weight, reach = FILTERS[interpolation]
    inputs = _windows(op, centres, before, after, scale, reach)
    return inputs, _weights(op, centres, op.Mul(_odd(op, inputs), after), scale, weight)


def resample(op, pixels, inputs, weights, count):
    """Pixels [3, lines, before] of whole numbers -> float32 [3, lines, count] of whole numbers."""
    windows = op.Gather(pixels, inputs, axis=2)  # [3, lines, blocks, width]
    windows = op.Cast(op.Transpose(windows, perm=[2, 0, 1, 3]), to=DataType.FLOAT)
    sums = _rounded_sums(op, windows, op.Unsqueeze(weights, [1]))  # [blocks, 3, lines, size]
    return op.Reshape(op.Transpose(sums, perm=[1, 2, 0, 3]), [0, 0, count])


def _odd(op, numbers):
    return op.Add(op.Mul(numbers, 2), 1)


def _windows(op, centres, before, after, scale, reach):
    """[blocks, width] inputs that a block's outputs may weigh, none of them outside the picture."""
    unit, reach = op.Mul(after, 2), op.Mul(scale, reach)
    first = op.Div(op.Sub(op.Slice(centres, [0], [1], [1]), reach), unit)
    last = op.Div(op.Add(op.Slice(centres, [-1], [MOST_IN_A_BLOCK], [1]), reach), unit)
    first = op.Max(first, 0)
    last = op.Min(op.Add(last, 1), before)
    width = op.ReduceMax(op.Sub(last, first), keepdims=0)
    first = op.Min(first, op.Sub(before, width))
    return op.Add(first, op.Range(0, width, 1))


def _weights(op, centres, inputs, scale, weight):
    """double [blocks, width, size]: whole numbers, WHOLE for an input that is all of an output."""
    distance = op.Abs(op.Sub(op.Unsqueeze(inputs, [2]), op.Unsqueeze(centres, [1])))
    x = op.Div(op.Cast(distance, to=DataType.DOUBLE), op.Cast(scale, to=DataType.DOUBLE))
    weights = weight(op, x)
    weights = op.Div(weights, op.ReduceSum(weights, [1], keepdims=1))
    return op.Round(op.Mul(weights, WHOLE))


def _rounded_sums(op, windows, weights):
    """round(windows @ weights / WHOLE) within 0 and 255, halves upwards."""
    upper = op.Round(op.Div(weights, HALF))
    lower = op.Sub(weights, op.Mul(upper, HALF))
    upper, lower = (op.MatMul(windows, op.Cast(part, to=DataType.FLOAT)) for part in (upper, lower))
    sums = op.Add(op.Add(upper, op.Floor(op.Div(lower, HALF))), HALF / 2)
    return op.Clip(op.Floor(op.Div(sums, HALF)), 0.0, 255.0)
