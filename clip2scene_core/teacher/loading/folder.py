"""A CLIP in a folder with its configuration, as Hugging Face keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from clip2scene_core.files.damage import name_damage, shortened
from clip2scene_core.files.text import load_json, read_text
from clip2scene_core.teacher.loading.transformers_layout import config_of_transformers

OPEN_CLIP_CONFIG: Final = "open_clip_config.json"
TRANSFORMERS_CONFIG: Final = "config.json"
WEIGHT_FILES: Final = {
    OPEN_CLIP_CONFIG: (
        "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
        "open_clip_pytorch_model.bin",
    ),
    TRANSFORMERS_CONFIG: ("model.safetensors", "pytorch_model.bin"),
}  # fmt: skip
"""Names of the weights, the preferred first, by the name of the configuration beside them."""

_PREPROCESSING: Final = "preprocessor_config.json"

_LARGEST: Final = {
    "embed_dim": 8192, "width": 16384, "layers": 128, "heads": 256, "head_width": 1024,
    "image_size": 2048, "patch_size": 256, "context_length": 2048, "vocab_size": 1_000_000,
    "mlp_ratio": 32,
}  # fmt: skip
"""Largest numbers of a configuration; no released CLIP has more than a quarter of them."""


def read_folder(folder: Path) -> tuple[Path, dict[str, Any], dict[str, tuple[float, ...]]]:
    """Read the configuration of a CLIP, and find its weights.

    Args:
        folder: With open_clip_config.json, or config.json of transformers' CLIPModel, and the
            weights under the name that goes with it.

    Returns:
        The file of the weights; open_clip's model configuration, each size in it within bounds; and
        mean and std of the images, as far as they are said.

    Raises:
        ValueError: If one of them is missing, damaged, or of another model.
    """
    for config_name, weight_names in WEIGHT_FILES.items():
        path = folder / config_name
        if not path.is_file():
            continue
        with name_damage(path, "configuration"):
            content = load_json(read_text(path))
            if config_name == OPEN_CLIP_CONFIG:
                config, pixels = dict(content["model_cfg"]), content.get("preprocess_cfg", {})
            else:
                config, pixels = config_of_transformers(content), {}
                if (folder / _PREPROCESSING).is_file():
                    found = load_json(read_text(folder / _PREPROCESSING))
                    pixels = {"mean": found["image_mean"], "std": found["image_std"]}
            check_model_config(config)
            colors = {key: _color(key, pixels[key]) for key in ("mean", "std") if pixels.get(key)}
        return _find_weights(folder, weight_names), config, colors
    raise ValueError(
        f"{folder} has neither {OPEN_CLIP_CONFIG} nor {TRANSFORMERS_CONFIG}; a single file of "
        f"weights is named as ARCHITECTURE:FILE"
    )


def check_model_config(config: Mapping[str, Any]) -> None:
    """Refuse sizes that no CLIP has, before a network of them is built.

    Raises:
        ValueError: If a number is not positive or too large, or the two towers are not said.
    """
    for section in (config, config["vision_cfg"], config["text_cfg"]):
        for key, value in section.items():
            largest = _LARGEST.get(key)
            if largest is None:
                continue
            numbers = value if isinstance(value, list) else [value]
            for number in numbers:
                is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
                if not is_number or not 0 < number <= largest:
                    raise ValueError(
                        f"{key} must be in 1 to {largest}, got {shortened(repr(value), 60)}"
                    )


def _color(key: str, values: Any) -> tuple[float, ...]:
    color = tuple(float(value) for value in values)
    # MobileCLIP subtracts 0, but nothing is divided by it.
    is_divisor = key == "std"
    if len(color) != 3 or not all(0 <= c <= 1 and (c > 0 or not is_divisor) for c in color):
        raise ValueError(f"mean and std of images must be 3 numbers in 0 to 1, got {values!r}")
    return color


def _find_weights(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    if any(folder.glob("*.index.json")):
        raise ValueError(f"{folder} has its weights in several files; save them as one {names[0]}")
    raise ValueError(f"{folder} has no weights; they are called {' or '.join(names)}")
