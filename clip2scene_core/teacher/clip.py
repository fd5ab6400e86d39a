"""Load a frozen CLIP by name: the small one of this package, or one that open_clip knows."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from clip2scene_core.teacher.openclip import CLIP, open_clip
from clip2scene_core.teacher.small_clip import load_small_clip
from clip2scene_core.teacher.tokenizer import (
    BytePairTokenizer,
    CompactBytePairTokenizer,
    Tokenizer,
)

_LOG = logging.getLogger(__name__)

SMALL_CLIP_NAME = "small"
"""Name of the small CLIP that ships with the package."""


@dataclass(frozen=True)
class Clip:
    """A frozen CLIP.

    Attributes:
        name: Name that it was loaded by.
        model: open_clip.CLIP in evaluation mode, without gradients.
        tokenizer: Tokenizer of the text tower.
        mean: (red, green, blue), subtracted from images in [0, 1].
        std: (red, green, blue), divisor of images after that.
        image_height: Height in pixels to which images are resized for dense embeddings.
        prompt_cache: Embeddings of recent prompts, each (D,), by prompt and templates; filled by
            text.py.
    """

    name: str
    model: CLIP
    tokenizer: Tokenizer
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    image_height: int
    prompt_cache: OrderedDict[tuple[str, tuple[str, ...]], Tensor] = field(
        default_factory=OrderedDict, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        self.model.eval().requires_grad_(False)

    @property
    def embedding_size(self) -> int:
        """D, the size of image and text embeddings."""
        size: int = self.model.visual.output_dim
        return size

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        device: torch.device = self.model.logit_scale.device
        return device

    @property
    def known_words(self) -> tuple[str, ...]:
        """The words of its training captions, sorted; empty if they are not known.

        A prompt may also hold other words if their byte pairs all occur in these words.
        """
        if isinstance(self.tokenizer, CompactBytePairTokenizer):
            return self.tokenizer.words
        return ()


def load_clip(name: str, device: torch.device | str = "cpu") -> Clip:
    """Load a frozen CLIP.

    Args:
        name: One of
            `small`: the small CLIP that ships with the package;
            `small:FILE`: another small CLIP;
            `ARCHITECTURE/TAG`: weights that open_clip knows, such as `ViT-B-16/openai`; open_clip
            downloads them to its cache if necessary;
            `ARCHITECTURE:FILE`: weights in a local file, such as
            `ViT-B-16-quickgelu:weights.safetensors` (OpenAI's weights need `-quickgelu`).
        device: Device for the weights.

    Raises:
        ValueError: If the name has another form, open_clip does not know it, MaskCLIP does not
            support its image tower, or the weights do not fit.
        FileNotFoundError: If the file does not exist.
    """
    architecture, colon, file = name.partition(":")
    if architecture == SMALL_CLIP_NAME:
        return _load_small(name, Path(file) if colon else shipped_small_clip(), device)
    if colon:
        return _load_open_clip(name, architecture, _existing_file(name, Path(file)), device)
    architecture, _, tag = name.rpartition("/")
    if not architecture or not tag:
        raise ValueError(
            f"CLIP {name!r} cannot be read; say small, ARCHITECTURE/TAG (ViT-B-16/openai) or "
            "ARCHITECTURE:FILE"
        )
    return _load_open_clip(name, architecture, tag, device)


def shipped_small_clip() -> Path:
    """Path of the small CLIP that ships with the package."""
    return Path(str(resources.files("clip2scene_core"))) / "models" / "small_clip.safetensors"


def _load_small(name: str, path: Path, device: torch.device | str) -> Clip:
    small_clip = load_small_clip(path)
    return Clip(
        name=name,
        model=small_clip.model.to(device),
        tokenizer=small_clip.tokenizer,
        mean=small_clip.mean,
        std=small_clip.std,
        image_height=small_clip.shape.image_height,
    )


def _existing_file(name: str, path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"CLIP {name!r}: no file {path}; correct the path after the colon")
    return str(path)


def _load_open_clip(name: str, architecture: str, weights: str, device: torch.device | str) -> Clip:
    """Load weights (a tag or an existing file) into one of open_clip's architectures, strictly."""
    config = _architecture_config(name, architecture)
    is_file = Path(weights).is_file()
    tag_config = {} if is_file else open_clip.get_pretrained_cfg(architecture, weights)
    if not is_file and not tag_config:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture)) or "none"
        raise ValueError(
            f"CLIP {name!r}: open_clip has no weights {weights!r} for {architecture}; it has {tags}"
        )
    if is_file and not config.get("quick_gelu") and not architecture.endswith("-quickgelu"):
        _LOG.warning(
            "%s: weights of a local file are run with GELU; name %s-quickgelu if they are OpenAI's",
            name,
            architecture,
        )
    try:
        model = open_clip.create_model(
            architecture,
            pretrained=weights,
            # The tag names the activation of the training; open_clip only warns about another one.
            force_quick_gelu=bool(tag_config.get("quick_gelu", False)),
            require_pretrained=True,
        )
    except (RuntimeError, OSError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"CLIP {name!r}: {reason}") from error
    return clip_of_model(name, model.to(device))


def _architecture_config(name: str, architecture: str) -> dict[str, object]:
    """Read open_clip's configuration; refuse what MaskCLIP or our tokenizer do not support."""
    config: dict[str, dict[str, object]] | None = open_clip.get_model_config(architecture)
    if config is None:
        raise ValueError(
            f"CLIP {name!r}: open_clip has no architecture {architecture!r}; "
            "ViT-B-16, ViT-L-14 and RN50 are three that it has"
        )
    vision, text = config["vision_cfg"], config["text_cfg"]
    foreign = [
        key
        for key in ("timm_model_name", "attentional_pool", "hf_model_name", "hf_tokenizer_name")
        if key in vision or key in text
    ]
    if foreign or "custom_text" in config or "multimodal_cfg" in config:
        raise ValueError(
            f"CLIP {name!r}: {architecture} is not a plain CLIP (it has its own tower, pooling or "
            "tokenizer); use a ViT-* or RN* architecture such as ViT-B-16 or RN50"
        )
    return dict(config)


def clip_of_model(name: str, model: CLIP) -> Clip:
    """Wrap a CLIP from open_clip.create_model, with its mean and std."""
    preprocessing = open_clip.get_model_preprocess_cfg(model)
    red_mean, green_mean, blue_mean = preprocessing["mean"]
    red_std, green_std, blue_std = preprocessing["std"]
    size = preprocessing["size"]
    return Clip(
        name=name,
        model=model,
        tokenizer=BytePairTokenizer(model.context_length),
        mean=(red_mean, green_mean, blue_mean),
        std=(red_std, green_std, blue_std),
        image_height=size if isinstance(size, int) else size[0],
    )
