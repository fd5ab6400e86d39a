"""The small CLIP: open_clip's classes at a size for training on a CPU, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.files.damage import name_damage
from clip2scene_core.files.kind import SAFETENSORS, kind_of_file
from clip2scene_core.teacher.openclip import CLIP, AttentionPool2d, ModifiedResNet
from clip2scene_core.teacher.prompting.tokenizer import CompactBytePairTokenizer

_FILE_FORMAT = "clip2scene small CLIP 2"
_FORMER_FORMATS = ("clip2scene small CLIP 1",)
_STOCK_STRIDE = 32
_LARGEST = 8192
_VIT_IMAGE_SIZE = 112  # of the training pictures; positions are resized for other sizes


@dataclass(frozen=True)
class SmallClipShape:
    """The shape of a small CLIP.

    Attributes:
        layers: Four numbers: residual blocks in the four stages of a ModifiedResNet. One number:
            blocks of a VisionTransformer.
        width: Channels of the stem of a ModifiedResNet (its last stage has 32 times as many), or
            of every block of a VisionTransformer.
        stride: Edge of a place with one embedding, pixels: 4, 8, 16 or 32.
        head_width: Channels per head, in the attention pool or in a VisionTransformer's blocks.
        embedding_size: D, the size of image and text embeddings.
        text_width: Channels of the text tower.
        text_layers: Transformer blocks of the text tower.
        text_heads: Attention heads of the text tower.
        context_length: Maximum number of tokens of a text, including start and end.
        image_height: Height in pixels to which camera images are resized for dense embeddings, so
            that objects have the size of those in the training pictures.
    """

    layers: tuple[int, int, int, int] | int = (2, 2, 4, 2)
    width: int = 24
    stride: int = 8
    head_width: int = 64
    embedding_size: int = 128
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    context_length: int = 56
    image_height: int = 224

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            for number in value if isinstance(value, tuple) else (value,):
                if not isinstance(number, int) or not 0 < number <= _LARGEST:
                    raise ValueError(f"{field.name} must be in 1 to {_LARGEST}, got {number!r}")
        if self.stride not in (4, 8, 16, 32):
            raise ValueError(f"stride must be 4, 8, 16 or 32, got {self.stride}")
        widest, name = (
            (self.width, "width")
            if isinstance(self.layers, int)
            else (self.width * 32, "width * 32")
        )
        if widest % self.head_width:
            raise ValueError(
                f"{name} must be a multiple of head_width, got {self.width} and "
                f"{self.head_width}; change one of them"
            )


SMALL_VIT = SmallClipShape(layers=6, width=128, head_width=32)
"""A VisionTransformer about as large as the default ModifiedResNet."""


class PositionFreeAttentionPool(nn.Module):
    """CLIP's attention pool without position embeddings; it takes any input size.

    The value of a place depends only on its features, not on its position. So the embeddings that
    MaskCLIP reads per place are those that training pools.
    """

    def __init__(self, pool: AttentionPool2d) -> None:
        super().__init__()
        self.q_proj, self.k_proj = pool.q_proj, pool.k_proj
        self.v_proj, self.c_proj = pool.v_proj, pool.c_proj
        self.num_heads = pool.num_heads

    def forward(self, features: Tensor) -> Tensor:
        """Pool a feature map (B, C, h, w) into embeddings (B, D).

        There is only one query, so keys and values are not computed for every place: the query is
        multiplied by the key weights, and places are averaged before the value weights. The result
        is the same with a tenth of the operations. The key bias shifts all logits equally and is
        left out.
        """
        tokens = features.flatten(2).transpose(1, 2)  # (B, h * w, C)
        mean = tokens.mean(dim=1, keepdim=True)
        tokens = torch.cat([mean, tokens], dim=1)
        query = self._split_heads(self.q_proj(mean[:, 0]))  # (B, heads, C / heads)
        head_width = query.shape[2]
        key_weight = self.k_proj.weight.view(self.num_heads, head_width, -1)
        value_weight = self.v_proj.weight.view(self.num_heads, head_width, -1)
        query = torch.einsum("bhd,hdc->bhc", query, key_weight)
        weights = torch.softmax(query @ tokens.transpose(1, 2) * head_width**-0.5, dim=2)
        mixed = torch.einsum("bhc,hdc->bhd", weights @ tokens, value_weight)
        values = mixed + self._split_heads(self.v_proj.bias)
        embeddings: Tensor = self.c_proj(values.flatten(1))
        return embeddings

    def _split_heads(self, rows: Tensor) -> Tensor:
        """(..., C) -> (..., heads, C / heads)."""
        return rows.reshape(*rows.shape[:-1], self.num_heads, -1)


def build_small_clip(shape: SmallClipShape, vocabulary_size: int) -> CLIP:
    """Build an untrained small CLIP.

    Args:
        shape: Shape of the CLIP.
        vocabulary_size: Number of tokens.

    Returns:
        An open_clip.CLIP. Its image tower is an open_clip ModifiedResNet with this stride, or an
        open_clip VisionTransformer with this patch size.
    """
    is_vit = isinstance(shape.layers, int)
    model = CLIP(
        embed_dim=shape.embedding_size,
        vision_cfg={
            "layers": shape.layers if isinstance(shape.layers, int) else list(shape.layers),
            "width": shape.width,
            "head_width": shape.head_width,
            "patch_size": shape.stride,
            "image_size": _VIT_IMAGE_SIZE if is_vit else _STOCK_STRIDE,
        },
        text_cfg={
            "context_length": shape.context_length,
            "vocab_size": vocabulary_size,
            "width": shape.text_width,
            "heads": shape.text_heads,
            "layers": shape.text_layers,
        },
    )
    if is_vit:
        return model
    model.visual.attnpool = PositionFreeAttentionPool(model.visual.attnpool)
    _reduce_stride(model.visual, shape.stride)
    return model


def _reduce_stride(visual: ModifiedResNet, stride: int) -> None:
    """Remove pooling steps from open_clip's ModifiedResNet, the last ones first."""
    steps_to_remove = (_STOCK_STRIDE // stride).bit_length() - 1
    for stage in (visual.layer4, visual.layer3, visual.layer2)[:steps_to_remove]:
        stage[0].avgpool = nn.Identity()
        # "-1" is open_clip's name of the pooling before the convolution of the shortcut.
        stage[0].downsample._modules["-1"] = nn.Identity()


@dataclass(frozen=True)
class SmallClipFile:
    """The content of a small CLIP's file.

    Attributes:
        model: The CLIP, in evaluation mode.
        shape: Shape of the CLIP.
        tokenizer: Tokenizer with the byte pairs of its training.
        mean: (red, green, blue), subtracted from images in [0, 1].
        std: (red, green, blue), divisor of images after that.
        training: Facts about its training and its scores, for the model card.
    """

    model: CLIP
    shape: SmallClipShape
    tokenizer: CompactBytePairTokenizer
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    training: Mapping[str, object]


def save_small_clip(path: Path, small_clip: SmallClipFile) -> None:
    """Write a small CLIP as one safetensors file, with matrices in float16."""
    metadata = {
        "format": _FILE_FORMAT,
        "shape": json.dumps(asdict(small_clip.shape)),
        "pieces": json.dumps(small_clip.tokenizer.pieces),
        "prompt_pieces": json.dumps(sorted(small_clip.tokenizer.prompt_pieces)),
        "words": json.dumps(small_clip.tokenizer.words),
        "mean": json.dumps(small_clip.mean),
        "std": json.dumps(small_clip.std),
        "training": json.dumps(dict(small_clip.training)),
    }
    weights = {
        # Means and variances of batch norms can be outside the range of float16.
        name: weight.detach().to(torch.float16 if weight.ndim > 1 else weight.dtype).contiguous()
        for name, weight in small_clip.model.state_dict().items()
    }
    with atomic_write(path) as draft:
        save_file(weights, draft, metadata)


def load_small_clip(path: Path) -> SmallClipFile:
    """Read a small CLIP; all weights must be there and fit.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is not a small CLIP, or its weights do not fit its shape.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no small CLIP at {path}; train one or name another CLIP")
    with name_damage(path, "small CLIP"):
        kind = kind_of_file(path)
        if kind not in (SAFETENSORS, ""):
            raise ValueError(f"it is {kind}")
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata.get("format") in _FORMER_FORMATS:
        raise ValueError(
            f"{path} was written by an older clip2scene ({metadata['format']!r}, this one reads "
            f"{_FILE_FORMAT!r}); train it again with `clip2scene clip train`"
        )
    if metadata.get("format") != _FILE_FORMAT:
        raise ValueError(
            f"{path} is not a small CLIP (format {metadata.get('format')!r}, wanted "
            f"{_FILE_FORMAT!r}); name an open_clip architecture before the colon for other weights"
        )
    with name_damage(path, "small CLIP"):
        return _read_small_clip(metadata, weights)


def _read_small_clip(metadata: Mapping[str, str], weights: dict[str, Tensor]) -> SmallClipFile:
    sizes = json.loads(metadata["shape"])
    layers = sizes["layers"]
    shape = SmallClipShape(
        **{**sizes, "layers": layers if isinstance(layers, int) else tuple(layers)}
    )
    tokenizer = CompactBytePairTokenizer(
        tuple(json.loads(metadata["pieces"])),
        frozenset(json.loads(metadata["prompt_pieces"])),
        tuple(json.loads(metadata["words"])),
        shape.context_length,
    )
    broken = [name for name, value in weights.items() if not value.isfinite().all()]
    if broken:
        raise ValueError(f"{', '.join(broken[:3])} hold numbers that are not finite")
    try:
        with torch.device("meta"):  # a file may claim any size: compare it first
            build_small_clip(shape, tokenizer.size).load_state_dict(weights, assign=True)
        model = build_small_clip(shape, tokenizer.size)
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"weights do not fit: {' '.join(str(error).split())}") from error
    red_mean, green_mean, blue_mean = json.loads(metadata["mean"])
    red_std, green_std, blue_std = json.loads(metadata["std"])
    return SmallClipFile(
        model=model.eval(),
        shape=shape,
        tokenizer=tokenizer,
        mean=(red_mean, green_mean, blue_mean),
        std=(red_std, green_std, blue_std),
        training=json.loads(metadata["training"]),
    )
