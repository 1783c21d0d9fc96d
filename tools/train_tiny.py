"""Train the two tiny CLIPs that ship with the repository.

    python -m tools.train_tiny vit data/tiny/tiny-vit.pt
    python -m tools.train_tiny rn data/tiny/tiny-rn.pt

OpenAI's own architecture classes on 64×64 drawings (`stages/drawings.py`), text width 64, the
real vocabulary and 77 positions; symmetric contrastive loss over batches that hold each of the
128 classes once, so that no caption is a false negative of another picture. The weights are
rounded as OpenAI stores its own before accuracy is measured on drawings never trained on.

COST

One thread and a fixed seed: the same bytes again on the same kind of CPU and versions.
"""

import argparse

import numpy as np
import torch
from clip.clip import tokenize
from clip.model import CLIP, convert_weights
from torch.nn import functional as F
from tqdm import tqdm

from stages import checkpoint, drawings

ARCHITECTURES = {
    "vit": dict(vision_layers=4, vision_width=128, vision_patch_size=8),
    "rn": dict(vision_layers=(1, 2, 1, 1), vision_width=12, vision_patch_size=None),
}
STEPS = {"vit": 3000, "rn": 4000}
PEAK_LEARNING_RATE = {"vit": 1e-3, "rn": 2e-3}
WARMUP = 200
TEST_SEED, TEST_ROUNDS = 1, 16  # pictures of each class


def new_model(kind):
    """An untrained CLIP. Embeddings are 96 wide, so that no projection is square."""
    return CLIP(
        embed_dim=96,
        image_resolution=64,
        context_length=77,
        vocab_size=49408,
        transformer_width=64,
        transformer_heads=1,
        transformer_layers=3,
        **ARCHITECTURES[kind],
    )


def pixels(pictures):
    """uint8 pictures → the float32 [n, 3, 64, 64] that OpenAI's transform makes of them."""
    mean = torch.tensor((0.48145466, 0.4578275, 0.40821073)).view(3, 1, 1)
    std = torch.tensor((0.26862954, 0.26130258, 0.27577711)).view(3, 1, 1)
    scaled = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return (scaled - mean) / std


def shorten_context(model, length):
    """Let the text tower take `length` tokens: causal masks make the rest irrelevant."""
    for block in model.transformer.resblocks:
        block.attn_mask = block.attn_mask[:length, :length]
    positions = model.positional_embedding
    model.positional_embedding = torch.nn.Parameter(positions[:length].detach().clone())
    return positions.detach()


def restore_context(model, positions):
    """Undo `shorten_context`, keeping the positions that were trained."""
    trained = model.positional_embedding.detach()
    model.positional_embedding = torch.nn.Parameter(torch.cat([trained, positions[len(trained) :]]))
    for block in model.transformer.resblocks:
        block.attn_mask = model.build_attention_mask()


def train(model, steps, peak, seed):
    """Contrastive training in place."""
    rng = np.random.default_rng(seed)
    captions = [[prompt.format(label) for prompt in drawings.PROMPTS] for label in drawings.LABELS]
    tokens = tokenize(sum(captions, [])).view(len(captions), len(drawings.PROMPTS), -1)
    length = int(tokens.argmax(-1).max()) + 1
    tokens = tokens[..., :length]
    positions = shorten_context(model, length)
    decayed = [p for n, p in model.named_parameters() if p.ndim > 1 and "embedding" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim <= 1 or "embedding" in n]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, steps, WARMUP / steps)
    targets = torch.arange(len(drawings.LABELS))
    progress = tqdm(range(steps), desc="train", mininterval=10)
    for _ in progress:
        pictures = pixels([drawings.draw(rng, label) for label in drawings.LABELS])
        chosen = torch.from_numpy(rng.integers(len(drawings.PROMPTS), size=len(targets)))
        per_image, per_text = model(pictures, tokens[targets, chosen])
        loss = (F.cross_entropy(per_image, targets) + F.cross_entropy(per_text, targets)) / 2
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=np.log(100))
        right = (per_image.argmax(1) == targets).float().mean().item()
        progress.set_postfix(loss=f"{loss.item():.3f}", batch_accuracy=f"{right:.3f}")
    restore_context(model, positions)


@torch.no_grad()
def accuracy(model):
    """Zero-shot top-1 over the 128 classes on pictures that training never saw."""
    rng = np.random.default_rng([TEST_SEED, 0])
    text = model.encode_text(tokenize([drawings.PROMPTS[0].format(x) for x in drawings.LABELS]))
    right = 0
    for _ in range(TEST_ROUNDS):
        pictures = pixels([drawings.draw(rng, label) for label in drawings.LABELS])
        logits = F.normalize(model.encode_image(pictures)) @ F.normalize(text).T
        right += (logits.argmax(1) == torch.arange(len(logits))).sum().item()
    return right / (TEST_ROUNDS * len(drawings.LABELS))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=ARCHITECTURES)
    parser.add_argument("output")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(arguments.seed)
    model = new_model(arguments.kind)
    steps = arguments.steps or STEPS[arguments.kind]
    train(model, steps, PEAK_LEARNING_RATE[arguments.kind], arguments.seed)
    model.eval()
    convert_weights(model)
    print(f"zero-shot top-1 {accuracy(model.float()):.4f} on {TEST_ROUNDS * 128} pictures")
    convert_weights(model)
    checkpoint.write_archive(model, arguments.output)


if __name__ == "__main__":
    main()
