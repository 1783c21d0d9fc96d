"""Pictures in one safetensors file, written one at a time.

The format begins with the place of every tensor. So the shapes are known first, and the pictures
come in any order: no more than one is in memory.
"""

import json
import math


def write(path, shapes, pictures):
    """Write `pictures`, (name, uint8 [height, width, 3]) each, whose {name: shape} is `shapes`."""
    places, header = {}, {}
    end = 0
    for name in sorted(shapes):  # as safetensors' own writer has them
        begin, end = end, end + math.prod(shapes[name])
        header[name] = {"dtype": "U8", "shape": shapes[name], "data_offsets": [begin, end]}
        places[name] = begin
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text = text.encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        start = file.tell()
        for name, pixels in pictures:
            if pixels.shape != shapes[name]:
                raise ValueError(f"{name} is {pixels.shape}, it was {shapes[name]}")
            file.seek(start + places[name])
            file.write(pixels.data)
