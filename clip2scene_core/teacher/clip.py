"""Load a frozen CLIP by name: the small one of this package, or one that open_clip knows."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from clip2scene_core.files.damage import one_line
from clip2scene_core.teacher.folder import (
    OPEN_CLIP_CONFIG,
    TRANSFORMERS_CONFIG,
    WEIGHT_FILES,
    read_folder,
)
from clip2scene_core.teacher.openclip import CLIP, open_clip
from clip2scene_core.teacher.small_clip import load_small_clip
from clip2scene_core.teacher.tokenizer import (
    BytePairTokenizer,
    CompactBytePairTokenizer,
    Tokenizer,
)
from clip2scene_core.teacher.weights import ClipWeights, fill_clip, read_clip_weights

_LOG = logging.getLogger(__name__)

SMALL_CLIP_NAME = "small"
"""Name of the small CLIP that ships with the package."""

_VOCABULARY: Final = 49408


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
            `ViT-B-16-quickgelu:weights.safetensors` (OpenAI's weights need `-quickgelu`; their
            own TorchScript archives are known and run so in any case);
            `local-dir:FOLDER`: a folder with configuration and weights, of open_clip or of
            transformers' CLIPModel;
            `hf-hub:OWNER/NAME`: such a folder on the hub, which open_clip downloads to its cache.
        device: Device for the weights.

    Raises:
        ValueError: If the name has another form, open_clip does not know it, MaskCLIP does not
            support its image tower, or the weights do not fit.
        FileNotFoundError: If the file does not exist.
    """
    architecture, colon, file = name.partition(":")
    if colon and architecture == "local-dir":
        return _load_folder(name, Path(file), device)
    if colon and architecture == "hf-hub":
        return _load_from_hub(name, file, device)
    if architecture == SMALL_CLIP_NAME:
        return _load_small(name, Path(file) if colon else shipped_small_clip(), device)
    if colon:
        return _load_file(name, architecture, _existing_file(name, Path(file)), device)
    architecture, _, tag = name.rpartition("/")
    if not architecture or not tag:
        raise ValueError(
            f"CLIP {name!r} cannot be read; say small, ARCHITECTURE/TAG (ViT-B-16/openai), "
            "ARCHITECTURE:FILE, local-dir:FOLDER or hf-hub:OWNER/NAME"
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


def _existing_file(name: str, path: Path) -> Path:
    if path.is_dir():
        raise ValueError(f"CLIP {name!r}: {path} is a folder; local-dir:{path} reads folders")
    if not path.is_file():
        raise FileNotFoundError(f"CLIP {name!r}: no file {path}; correct the path after the colon")
    return path


def _load_open_clip(name: str, architecture: str, tag: str, device: torch.device | str) -> Clip:
    """Load weights that open_clip knows by a tag, strictly."""
    _architecture_config(name, architecture)
    tag_config = open_clip.get_pretrained_cfg(architecture, tag)
    if not tag_config:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture)) or "none"
        raise ValueError(
            f"CLIP {name!r}: open_clip has no weights {tag!r} for {architecture}; it has {tags}"
        )
    try:
        model = open_clip.create_model(
            architecture,
            pretrained=tag,
            # The tag names the activation of the training; open_clip only warns about another one.
            force_quick_gelu=bool(tag_config.get("quick_gelu", False)),
            require_pretrained=True,
        )
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"CLIP {name!r}: {reason}") from error
    return clip_of_model(name, model.to(device))


def _load_file(name: str, architecture: str, path: Path, device: torch.device | str) -> Clip:
    """Load a local file into one of open_clip's architectures, strictly."""
    config = _architecture_config(name, architecture)
    try:
        weights = read_clip_weights(path)
        is_quick = bool(config.get("quick_gelu")) or weights.is_openai
        if not is_quick:
            _LOG.warning(
                "%s: weights of a local file are run with GELU; name %s-quickgelu if they are "
                "OpenAI's",
                name,
                architecture,
            )
        return _build(name, {**config, "quick_gelu": is_quick}, weights, {}, device)
    except (ValueError, RuntimeError, OSError) as error:
        raise ValueError(f"CLIP {name!r}: {one_line(error)}") from error


def _load_folder(name: str, folder: Path, device: torch.device | str) -> Clip:
    """Load a CLIP with the configuration that lies beside its weights, strictly."""
    if not folder.is_dir():
        raise FileNotFoundError(f"CLIP {name!r}: no folder {folder}; correct the path")
    try:
        path, config, colors = read_folder(folder)
        _refuse_other_models(name, folder.name, config)
        weights = read_clip_weights(path)
        return _build(name, config, weights, colors, device)
    except (ValueError, TypeError, RuntimeError, OSError) as error:
        prefix = f"CLIP {name!r}: "
        raise ValueError(f"{prefix}{str(error).removeprefix(prefix)}") from error


def _build(
    name: str,
    config: dict[str, Any],
    weights: ClipWeights,
    colors: dict[str, tuple[float, ...]],
    device: torch.device | str,
) -> Clip:
    with torch.device("meta"):  # a configuration may claim any size: compare it first
        fill_clip(CLIP(**config), weights)
    model = CLIP(**config)
    fill_clip(model, weights)
    size = config["vision_cfg"].get("image_size", 224)
    mean = colors.get("mean", open_clip.OPENAI_DATASET_MEAN)
    std = colors.get("std", open_clip.OPENAI_DATASET_STD)
    open_clip.set_model_preprocess_cfg(model, {"size": size, "mean": mean, "std": std})
    return clip_of_model(name, model.to(device))


def _load_from_hub(name: str, repository: str, device: torch.device | str) -> Clip:
    """Load a CLIP of the hub: by its tag if open_clip has one, else by its own configuration."""
    for architecture, tag in open_clip.list_pretrained():
        known = open_clip.get_pretrained_cfg(architecture, tag).get("hf_hub", "")
        if repository and known.strip("/") == repository.strip("/"):
            return _load_open_clip(f"{architecture}/{tag}", architecture, tag, device)
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise ValueError(f"CLIP {name!r}: a CLIP of the hub is named hf-hub:OWNER/NAME")
    reasons = []
    for config_name, weight_names in WEIGHT_FILES.items():
        try:
            config = Path(_download(repository, config_name))
            weights = Path(_download(repository, weight_names[-1]))
        except (OSError, ImportError, ValueError, RuntimeError) as error:
            reasons.append(one_line(str(error)))
            continue
        if config.parent == weights.parent:
            return _load_folder(name, config.parent, device)
    raise ValueError(
        f"CLIP {name!r}: neither {OPEN_CLIP_CONFIG} nor {TRANSFORMERS_CONFIG} with weights could "
        f"be downloaded ({reasons[0] if reasons else 'they are of two versions'}); download the "
        f"folder by other means and name it as local-dir:FOLDER"
    )


def _download(repository: str, file: str) -> str:
    path: str = open_clip.pretrained.download_pretrained_from_hf(repository, filename=file)
    return path


def _architecture_config(name: str, architecture: str) -> dict[str, Any]:
    """Read open_clip's configuration; refuse what MaskCLIP or our tokenizer do not support."""
    config: dict[str, Any] | None = open_clip.get_model_config(architecture)
    if config is None:
        raise ValueError(
            f"CLIP {name!r}: open_clip has no architecture {architecture!r}; "
            "ViT-B-16, ViT-L-14 and RN50 are three that it has"
        )
    _refuse_other_models(name, architecture, config)
    is_quick = architecture.endswith("-quickgelu") or config.get("quick_gelu", False)
    return {**config, "quick_gelu": is_quick}


def _refuse_other_models(name: str, architecture: str, config: dict[str, Any]) -> None:
    vision, text = config["vision_cfg"], config["text_cfg"]
    foreign = [
        key
        for key in ("timm_model_name", "attentional_pool", "hf_model_name", "hf_tokenizer_name")
        if vision.get(key) or text.get(key)
    ]
    if foreign or config.get("custom_text") or "multimodal_cfg" in config:
        raise ValueError(
            f"CLIP {name!r}: {architecture} is not a plain CLIP (it has its own tower, pooling or "
            "tokenizer); use a ViT-* or RN* architecture such as ViT-B-16 or RN50"
        )
    if text.get("vocab_size", _VOCABULARY) != _VOCABULARY:
        raise ValueError(
            f"CLIP {name!r}: {architecture} has {text['vocab_size']} tokens; only CLIP's own "
            f"{_VOCABULARY} byte pairs are read"
        )


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
