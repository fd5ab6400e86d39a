"""Load a frozen CLIP by name: the small one of this package, or one that open_clip knows."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clip2scene_core.files.damage import one_line
from clip2scene_core.teacher.loading.architecture import (
    TrainedAs,
    architecture_config,
    check_buildable,
    check_config,
    make_model,
    trained_as,
    trainings_of,
)
from clip2scene_core.teacher.loading.folder import (
    OPEN_CLIP_CONFIG,
    TRANSFORMERS_CONFIG,
    WEIGHT_FILES,
    read_folder,
)
from clip2scene_core.teacher.loading.weights import ClipWeights, fill_clip, read_clip_weights
from clip2scene_core.teacher.openclip import CLIP, CustomTextCLIP, open_clip
from clip2scene_core.teacher.prompting.hub_tokenizer import (
    TOKENIZER_FILES,
    HubTokenizer,
    find_package,
)
from clip2scene_core.teacher.prompting.tokenizer import (
    BytePairTokenizer,
    CompactBytePairTokenizer,
    Tokenizer,
)
from clip2scene_core.teacher.small_clip import load_small_clip

_LOG = logging.getLogger(__name__)

SMALL_CLIP_NAME = "small"
"""Name of the small CLIP that ships with the package."""


@dataclass(frozen=True)
class Clip:
    """A frozen CLIP.

    Attributes:
        name: Name that it was loaded by.
        model: open_clip.CLIP or CustomTextCLIP in evaluation mode, without gradients.
        tokenizer: Tokenizer of the text tower.
        mean: (red, green, blue), subtracted from images in [0, 1].
        std: (red, green, blue), divisor of images after that.
        image_height: Height in pixels to which images are resized for dense embeddings.
        prompt_cache: Embeddings of recent prompts, each (D,), by prompt and templates; filled by
            text.py.
    """

    name: str
    model: CLIP | CustomTextCLIP
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
        tower = self.model.text if isinstance(self.model, CustomTextCLIP) else self.model
        projection = tower.text_projection
        size: int = getattr(projection, "out_features", None) or projection.shape[1]
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
            `ARCHITECTURE/TAG:FILE`: those weights in a local file, such as
            `ViT-B-16/openai:weights.safetensors`. Without `/TAG` they are run with the activation
            of the architecture (OpenAI's own archives with theirs), and CLIP's mean and std where
            open_clip knows weights of several;
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
        architecture, _, tag = architecture.partition("/")
        return _load_file(name, architecture, tag, _existing_file(name, Path(file)), device)
    if Path(name).is_file():
        raise ValueError(
            f"CLIP {name!r} is a file; say whose weights it holds: small:{name} for one of "
            f"'clip2scene clip train', or ARCHITECTURE/TAG:{name}, such as ViT-B-16/openai:{name}"
        )
    architecture, _, tag = name.rpartition("/")
    if not architecture or not tag:
        raise ValueError(
            f"CLIP {name!r} cannot be read; say small, ARCHITECTURE/TAG (ViT-B-16/openai), "
            "ARCHITECTURE/TAG:FILE, ARCHITECTURE:FILE, local-dir:FOLDER or hf-hub:OWNER/NAME"
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
    config = architecture_config(name, architecture)
    known = _trained_as(name, architecture, tag)
    check_buildable(name, config)
    tokenizer = _tokenizer(name, config, None)
    try:
        model = open_clip.create_model(
            architecture,
            pretrained=tag,
            # The tag names the activation of the training; open_clip only warns about another one.
            force_quick_gelu=known.quick_gelu,
            require_pretrained=True,
        )
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"CLIP {name!r}: {reason}") from error
    return clip_of_model(name, model.to(device), tokenizer)


def _trained_as(name: str, architecture: str, tag: str) -> TrainedAs:
    known = trained_as(architecture, tag)
    if known is None:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture)) or "none"
        raise ValueError(
            f"CLIP {name!r}: open_clip has no weights {tag!r} for {architecture}; it has {tags}"
        )
    return known


def _load_file(
    name: str, architecture: str, tag: str, path: Path, device: torch.device | str
) -> Clip:
    """Load a local file into one of open_clip's architectures, strictly."""
    config = architecture_config(name, architecture)
    trainings = [_trained_as(name, architecture, tag)] if tag else trainings_of(architecture)
    known = trainings[0] if len(trainings) == 1 else TrainedAs()
    try:
        weights = read_clip_weights(path)
        is_quick = bool(config["quick_gelu"]) or weights.is_openai or known.quick_gelu
        if not is_quick and len(trainings) != 1:
            _LOG.warning(
                "%s: weights of a local file are run with GELU, and with CLIP's mean and std of "
                "images; name %s-quickgelu if they are OpenAI's, and other known ones with their "
                "tag, %s/TAG:FILE",
                name,
                architecture,
                architecture,
            )
        model = _filled(name, {**config, "quick_gelu": is_quick}, weights)
        colors = {"mean": known.mean, "std": known.std}
        return _finish(name, model, config, colors, path.parent, device)
    except (ValueError, RuntimeError, OSError) as error:
        raise ValueError(_named(name, one_line(error))) from error


def _load_folder(name: str, folder: Path, device: torch.device | str) -> Clip:
    """Load a CLIP with the configuration that lies beside its weights, strictly."""
    if not folder.is_dir():
        raise FileNotFoundError(f"CLIP {name!r}: no folder {folder}; correct the path")
    try:
        path, config, colors = read_folder(folder)
        check_config(name, folder.name, config)
        weights = read_clip_weights(path)
        model = _filled(name, config, weights)
        return _finish(name, model, config, colors, folder, device)
    except (ValueError, TypeError, RuntimeError, OSError) as error:
        raise ValueError(_named(name, str(error))) from error


def _filled(name: str, config: dict[str, Any], weights: ClipWeights) -> CLIP | CustomTextCLIP:
    with torch.device("meta"):  # a configuration may claim any size: compare it first
        fill_clip(make_model(name, config), weights)
    model = make_model(name, config)
    fill_clip(model, weights)
    return model


def _named(name: str, reason: str) -> str:
    prefix = f"CLIP {name!r}: "
    return reason if reason.startswith(f"CLIP {name!r}") else f"{prefix}{reason}"


def _finish(
    name: str,
    model: CLIP | CustomTextCLIP,
    config: dict[str, Any],
    colors: dict[str, tuple[float, ...]],
    folder: Path,
    device: torch.device | str,
) -> Clip:
    usual = TrainedAs()
    preprocessing = {
        "size": config["vision_cfg"].get("image_size", 224),
        "mean": colors.get("mean", usual.mean),
        "std": colors.get("std", usual.std),
    }
    open_clip.set_model_preprocess_cfg(model, preprocessing)
    return clip_of_model(name, model.to(device), _tokenizer(name, config, folder))


def _tokenizer(name: str, config: dict[str, Any], folder: Path | None) -> Tokenizer:
    """Make the tokenizer of a configuration, from files in a folder or, without one, of the hub."""
    text = config["text_cfg"]
    length, repository = text.get("context_length", 77), text.get("hf_tokenizer_name")
    if not repository:
        return BytePairTokenizer(length)
    try:
        find_package()
        files = folder or _download_tokenizer(repository)
        return HubTokenizer(files, length, text.get("tokenizer_kwargs") or {})
    except (OSError, ImportError, ValueError) as error:
        raise ValueError(_named(name, str(error))) from error


def _download_tokenizer(repository: str) -> Path:
    try:
        paths = [Path(_download(repository, file)) for file in TOKENIZER_FILES]
    except (OSError, ImportError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"its tokenizer could not be downloaded ({one_line(error)}); save the folder of "
            f"{repository} by other means and name it as local-dir:FOLDER"
        ) from error
    return paths[0].parent


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


def clip_of_model(
    name: str, model: CLIP | CustomTextCLIP, tokenizer: Tokenizer | None = None
) -> Clip:
    """Wrap a model from open_clip.create_model, with its mean and std.

    Args:
        name: What the CLIP is called.
        model: The model.
        tokenizer: Tokenizer of its text tower; CLIP's byte pairs if None.
    """
    preprocessing = open_clip.get_model_preprocess_cfg(model)
    red_mean, green_mean, blue_mean = preprocessing["mean"]
    red_std, green_std, blue_std = preprocessing["std"]
    size = preprocessing["size"]
    return Clip(
        name=name,
        model=model,
        tokenizer=tokenizer or BytePairTokenizer(model.context_length),
        mean=(red_mean, green_mean, blue_mean),
        std=(red_std, green_std, blue_std),
        image_height=size if isinstance(size, int) else size[0],
    )
