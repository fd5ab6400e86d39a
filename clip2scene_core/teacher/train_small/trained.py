"""A small CLIP that is trained already, and what it gives to one in training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.openclip import CLIP
from clip2scene_core.teacher.prompting.tokenizer import CompactBytePairTokenizer
from clip2scene_core.teacher.small_clip import SmallClipShape

_IMAGE_TOWER = "visual."


class TrainedClip:
    """A trained small CLIP: it gives its weights, or its text tower and embeddings to learn.

    Args:
        name: Of a small CLIP, see `load_clip`.
        shape: Shape of the CLIP that learns; its text tower must be the same.
        device: Device of the training.

    Attributes:
        tokenizer: Tokenizer of the text tower.

    Raises:
        ValueError: If it is no small CLIP, or its text tower has another shape.
    """

    def __init__(self, name: str, shape: SmallClipShape, device: torch.device) -> None:
        clip = load_clip(name, device)
        if not isinstance(clip.tokenizer, CompactBytePairTokenizer):
            raise ValueError(f"a training begins with small CLIPs only, got {name!r}; say small")
        wanted = (shape.embedding_size, shape.text_width, shape.text_layers, shape.context_length)
        model = clip.model
        own = (
            clip.embedding_size,
            model.ln_final.weight.shape[0],
            len(model.transformer.resblocks),
            clip.tokenizer.context_length,
        )
        if own != wanted:
            raise ValueError(
                f"the text tower of {name!r} has embedding size, width, layers and context length "
                f"{own}, the CLIP to train {wanted}; they must be the same"
            )
        self.tokenizer = clip.tokenizer
        self._name, self._model = name, model

    def give_weights(self, model: CLIP) -> None:
        """Copy all weights into a CLIP, and fix its text tower.

        Raises:
            ValueError: If its image tower has another shape.
        """
        own, wanted = self._model.state_dict(), model.state_dict()
        for name, value in wanted.items():
            if name not in own or own[name].shape != value.shape:
                given = tuple(own[name].shape) if name in own else "nothing"
                raise ValueError(
                    f"{self._name!r} has another image tower than the CLIP to train: {name} is "
                    f"{given}, not {tuple(value.shape)}; ask for its tower and width"
                )
        self.give_text_tower(model)
        model.load_state_dict(own)

    def give_text_tower(self, model: CLIP) -> None:
        """Copy the text tower and the logit scale into a CLIP, and fix the tower there."""
        own = self._model.state_dict()
        text = {name: value for name, value in own.items() if not name.startswith(_IMAGE_TOWER)}
        model.load_state_dict({**model.state_dict(), **text})
        for name, parameter in model.named_parameters():
            if not name.startswith(_IMAGE_TOWER) and name != "logit_scale":
                parameter.requires_grad_(False)

    def distance(self, images: Tensor, embeddings: Tensor) -> Tensor:
        """Mean of 1 - cosine between its pooled embeddings of images and those to train.

        Args:
            images: (B, 3, H, W) float, normalized.
            embeddings: (B, D) float, any length.

        Returns:
            () float.
        """
        with torch.no_grad():
            own = self._model.visual(images).float()
        return 1 - F.cosine_similarity(embeddings, own, dim=1).mean()
