"""The only module that imports open_clip and its timm; all other modules import them from here.

open_clip imports torchvision, and PyPI's torchvision is built for CUDA. With a CPU build of torch
its compiled operators do not load, and `import torchvision` fails at two missing operator schemas.
This module declares the two schemas. That is enough for the models, transforms and tokenizers of
open_clip; a call of the operators still fails.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_MISSING_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _declare_torchvision_operators() -> torch.library.Library | None:
    """Declare torchvision's schemas if its compiled library does not load, else do nothing."""
    specification = importlib.util.find_spec("torchvision")
    if specification is None or specification.origin is None:
        return None
    for compiled in sorted(Path(specification.origin).parent.glob("_C*.so")):
        try:
            torch.ops.load_library(str(compiled))  # type: ignore[no-untyped-call]
        except OSError:
            continue
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _MISSING_SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    return library


# The schemas exist as long as this object.
_TORCHVISION_OPERATORS = _declare_torchvision_operators()

import open_clip  # noqa: E402
from open_clip import CLIP, CustomTextCLIP  # noqa: E402
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet  # noqa: E402
from open_clip.timm_model import TimmModel  # noqa: E402
from open_clip.tokenizer import get_clean_fn  # noqa: E402
from open_clip.transformer import (  # noqa: E402
    ResidualAttentionBlock,
    Transformer,
    VisionTransformer,
)
from timm.layers import AttentionPoolLatent  # noqa: E402
from timm.layers import Format as PatchFormat  # noqa: E402
from timm.models.eva import Eva, EvaBlockPostNorm  # noqa: E402
from timm.models.vision_transformer import (  # noqa: E402
    VisionTransformer as TimmVisionTransformer,
)

__all__ = [
    "CLIP",
    "AttentionPool2d",
    "AttentionPoolLatent",
    "CustomTextCLIP",
    "Eva",
    "EvaBlockPostNorm",
    "ModifiedResNet",
    "PatchFormat",
    "ResidualAttentionBlock",
    "TimmModel",
    "TimmVisionTransformer",
    "Transformer",
    "VisionTransformer",
    "get_clean_fn",
    "open_clip",
]
