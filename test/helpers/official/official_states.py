"""Weights as the released codes name and shape them, drawn at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]

PLANES = (32, 32, 64, 128, 256, 256, 128, 96, 96)
SLIDR_BLOCKS = (2, 3, 4, 6, 2, 2, 2, 2)


class _Writer:
    """Collects random tensors under official names."""

    def __init__(self, seed: int) -> None:
        self.state: State = {}
        self._generator = torch.Generator().manual_seed(seed)

    def randn(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._generator)

    def kernel(self, name: str, *shape: int) -> None:
        """A kernel that keeps the size of its features."""
        fan_in = shape[-2] * (3 if len(shape) == 3 else 1)
        self.state[f"{name}.kernel"] = self.randn(*shape) / fan_in**0.5

    def norm(self, name: str, size: int) -> None:
        self.state[f"{name}.weight"] = 1 + 0.2 * self.randn(size)
        self.state[f"{name}.bias"] = 0.2 * self.randn(size)
        self.state[f"{name}.running_mean"] = 0.2 * self.randn(size)
        self.state[f"{name}.running_var"] = 1 + 0.3 * self.randn(size).abs()
        self.state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def linear(self, name: str, in_size: int, out_size: int) -> None:
        self.state[f"{name}.weight"] = self.randn(out_size, in_size) / in_size**0.5
        self.state[f"{name}.bias"] = 0.2 * self.randn(out_size)


def planes_of(width: float) -> list[int]:
    return [int(width * plane) for plane in PLANES]


def spvcnn_trunk(width: float = 0.125, seed: int = 0, in_features: int = 1) -> State:
    """The trunk of CLIP2Scene's and SPVNAS' SPVCNN."""
    writer, sizes = _Writer(seed), planes_of(width)

    def blocks(owners: list[str], in_size: int, out_size: int) -> None:
        for own, size in zip(owners, (in_size, out_size), strict=True):
            writer.kernel(f"{own}.net.0", 27, size, out_size)
            writer.norm(f"{own}.net.1", out_size)
            writer.kernel(f"{own}.net.3", 27, out_size, out_size)
            writer.norm(f"{own}.net.4", out_size)
            if size != out_size:
                writer.kernel(f"{own}.downsample.0", size, out_size)
                writer.norm(f"{own}.downsample.1", out_size)

    writer.kernel("stem.0", 27, in_features, sizes[0])
    writer.norm("stem.1", sizes[0])
    writer.kernel("stem.3", 27, sizes[0], sizes[0])
    writer.norm("stem.4", sizes[0])
    for stage in range(1, 5):
        size = sizes[stage - 1]
        writer.kernel(f"stage{stage}.0.net.0", 8, size, size)
        writer.norm(f"stage{stage}.0.net.1", size)
        blocks([f"stage{stage}.{index}" for index in (1, 2)], size, sizes[stage])
    for stage in range(1, 5):
        out_size, skip_size = sizes[4 + stage], sizes[4 - stage]
        writer.kernel(f"up{stage}.0.net.0", 8, sizes[3 + stage], out_size)
        writer.norm(f"up{stage}.0.net.1", out_size)
        blocks([f"up{stage}.1.{index}" for index in (0, 1)], out_size + skip_size, out_size)
    for index, (start, end) in enumerate(((0, 4), (4, 6), (6, 8))):
        writer.linear(f"point_transforms.{index}.0", sizes[start], sizes[end])
        writer.norm(f"point_transforms.{index}.1", sizes[end])
    return writer.state


def clip2scene_state(
    width: float = 0.125, seed: int = 0, num_texts: int = 16, embedding_size: int = 12
) -> State:
    """All that CLIP2Scene saves of its SPVCNN: trunk, four heads, texts below a row of zeros."""
    writer, sizes = _Writer(seed + 1), planes_of(width)
    writer.state = spvcnn_trunk(width, seed)
    features = sizes[4] + sizes[6] + sizes[8]
    writer.linear("classifier.0", features, 17)
    for head in ("local", "global", "global_random"):
        writer.linear(f"point_mapping_{head}", features, embedding_size)
    texts = torch.nn.functional.normalize(writer.randn(num_texts, embedding_size), dim=1)
    writer.state["text_embeddings"] = torch.cat([torch.zeros(1, embedding_size), texts])
    return writer.state


def slidr_state(width: float = 0.125, seed: int = 0, num_outputs: int = 64) -> State:
    """SLidR's and PPKT's MinkUNet34, with the head that their images taught."""
    writer, sizes = _Writer(seed), planes_of(width)

    def blocks(number: int, in_size: int, out_size: int) -> None:
        for index in range(SLIDR_BLOCKS[number - 1]):
            size = in_size if index == 0 else out_size
            own = f"block{number}.{index}"
            writer.kernel(f"{own}.conv1", 27, size, out_size)
            writer.norm(f"{own}.norm1.bn", out_size)
            writer.kernel(f"{own}.conv2", 27, out_size, out_size)
            writer.norm(f"{own}.norm2.bn", out_size)
            if size != out_size:
                writer.kernel(f"{own}.downsample.0", size, out_size)
                writer.norm(f"{own}.downsample.1.bn", out_size)

    writer.kernel("conv0p1s1", 27, 1, sizes[0])
    writer.norm("bn0.bn", sizes[0])
    for stage in range(1, 5):
        size = sizes[stage - 1]
        writer.kernel(f"conv{stage}p{2 ** (stage - 1)}s2", 8, size, size)
        writer.norm(f"bn{stage}.bn", size)
        blocks(stage, size, sizes[stage])
    for stage in range(4, 8):
        out_size, skip_size = sizes[stage + 1], sizes[7 - stage]
        writer.kernel(f"convtr{stage}p{2 ** (8 - stage)}s2", 8, sizes[stage], out_size)
        writer.norm(f"bntr{stage}.bn", out_size)
        blocks(stage + 1, out_size + skip_size, out_size)
    writer.kernel("final", sizes[8], num_outputs)
    writer.state["final.bias"] = torch.zeros(1, num_outputs)
    return writer.state


def write_pickled(path: Path, state: State, **more: Any) -> Path:
    """Save as the released trainers do: the points' weights beside others."""
    images = {"decoder.weight": torch.zeros(2)}
    torch.save({"model_points": state, "model_images": images, **more}, path)
    return path
