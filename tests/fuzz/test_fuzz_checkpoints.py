"""Mutated checkpoints: zips, pickles, state dicts. Each is loaded, or refused in a line."""

import io
import random
import zipfile

import pytest
import torch

import budget
import door
from door import flipped

NAMES = ["", "\x1b[1m\n", "visual.proj", "module.visual.proj", "text_model.x", "lora_", "attn_mask"]
NAMES += [
    "position_ids",
    "x.position_ids",
    "logit_bias",
    "logit_scale",
    "visual.layer1.0.x",
    "a" * 500,
]
DTYPES = [torch.bool, torch.uint8, torch.int64, torch.bfloat16, torch.float64, torch.complex64]
DTYPES += [torch.float8_e5m2, torch.uint16]
NUMBERS = [float("nan"), float("inf"), -float("inf"), 1e38, -1e38, 0.0]


@pytest.fixture(scope="module")
def state():
    return door.state_dict()


@pytest.fixture
def attempted(tmp_path):
    """attempted(content): whether a file of this content loads; else it is refused in a line."""

    def attempt(content):
        (tmp_path / "mine.pt").write_bytes(content)
        return door.loads(tmp_path / "mine.pt")

    with door.bounded():
        yield attempt


def saved(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def test_a_sound_checkpoint_loads(state, attempted):
    assert attempted(saved(state))


def test_mutated_zips(state, attempted):
    """The directory at the end, the members' headers, and anything else."""
    content = saved(state)
    directory = content.index(b"PK\x01\x02")
    loaded = [
        attempted(flipped(content, rng, rng.choice([directory, len(content) - 120, 0])))
        for rng in budget.rounds(random.Random)
    ]
    print(f"{len(loaded)} mutated zips, {sum(loaded)} loaded")
    assert not all(loaded)


def test_mutated_pickles(state, attempted):
    content = saved({"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}})
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    (pickled,) = (name for name in members if name.endswith("data.pkl"))

    def mutated(rng):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as file:
            for name, member in members.items():
                file.writestr(name, flipped(member, rng) if name == pickled else member)
        return target.getvalue()

    loaded = [attempted(mutated(rng)) for rng in budget.rounds(random.Random)]
    print(f"{len(loaded)} mutated pickles, {sum(loaded)} loaded")
    assert not all(loaded)


def changed(tensor, rng):
    """A tensor in another shape, type or memory, or with other numbers."""
    kind = rng.randrange(7)
    if kind == 0:
        return tensor.to(rng.choice(DTYPES))
    if kind == 1:
        return tensor.reshape(-1)[: rng.randrange(tensor.numel() + 1)]
    if kind == 2:
        return tensor[None]
    if kind == 3:
        return tensor.reshape(-1)[:1].expand(rng.choice([tensor.shape, (1 << 40,), (0,)]))
    if kind == 4:
        return rng.choice([None, 3, "text", {}, [tensor], tensor.to_sparse(), tensor.to("meta")])
    if kind == 5:
        tensor = tensor.clone()
        tensor.view(-1)[rng.randrange(tensor.numel())] = rng.choice(NUMBERS)
    return tensor.T if tensor.ndim == 2 else tensor


def is_plain(value):
    """Whether it is a tensor as models have them, not one that was made odd."""
    if not torch.is_tensor(value) or value.layout != torch.strided:
        return False
    return value.dtype == torch.float32 and value.is_contiguous() and value.is_cpu and value.numel()


def varied(state, rng):
    state = dict(state)
    for _ in range(rng.randint(0, 2)):
        name, kind = rng.choice(list(state) or ["x"]), rng.randrange(5)
        if kind == 0:
            state.pop(name, None)
        elif kind == 1:
            state[rng.choice([*NAMES, f"{name}x"])] = state.pop(name, torch.zeros(1))
        elif kind == 2:
            state[rng.choice(NAMES)] = torch.zeros(rng.choice([(), (1,), (0,), (77, 77), (3, 1)]))
        elif is_plain(state.get(name)):
            state[name] = changed(state[name], rng)
    key = rng.choice([None] * 4 + ["state_dict", "model", "model_state_dict", "other"])
    return state if key is None else {key: state, "epoch": rng.choice([1, None, [], state])}


def test_varied_state_dicts(state, attempted):
    loaded = [attempted(saved(varied(state, rng))) for rng in budget.rounds(random.Random)]
    print(f"{len(loaded)} varied state dicts, {sum(loaded)} loaded")
    assert any(loaded) and not all(loaded)
