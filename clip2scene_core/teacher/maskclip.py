"""MaskCLIP: one embedding per patch from CLIP's image tower, instead of one per image.

Other read-outs of a ViT's last block are in `readouts`.

Source: MaskCLIP (ECCV 2022), section 3.2: the last attention is replaced by its value path.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.loading.architecture import check_tower
from clip2scene_core.teacher.openclip import (
    AttentionPool2d,
    ModifiedResNet,
    TimmModel,
    VisionTransformer,
)
from clip2scene_core.teacher.readouts import ATTENTIVE_READOUTS
from clip2scene_core.teacher.refinement import refine, refinement_factor
from clip2scene_core.teacher.small_clip import PositionFreeAttentionPool
from clip2scene_core.teacher.timm_tower import read_timm, stride_of
from clip2scene_core.teacher.windows import slide

_KEY_TEMPERATURE = 0.05


class DenseClip:
    """Computes dense embeddings of images in CLIP's space: one for each place (patch).

    Args:
        clip: A frozen CLIP with a ViT, of open_clip's own or timm's, or CLIP's ResNet.
        image_height: Height in pixels to which images are resized; the CLIP's default if None.
        key_smoothing: Whether to average each embedding with those of places with similar attention
            keys. It takes a product of all places with all places.
        scales: Factors on image_height. Each image is embedded at each scale, and the unit
            embeddings of a place are averaged. Near objects have the size of CLIP's training in a
            small image, far objects in a large one.
        readout: What stands for the attention of a ViT's last block: "maskclip", its value path
            (the paper's), or one of ATTENTIVE_READOUTS. ResNets and timm's ViTs have "maskclip"
            alone.
        window: Edge of square windows that slide over the resized image, pixels; embeddings of a
            place are averaged over its windows. 0 reads the image at once.
        window_step: From one window to the next, pixels; 0 is half of the window.
        refinement: Iterations of the refinement by colors, see `refine`; 0 for none. Places then
            have edges of about 4 pixels.
        precision: "fp32", or "bf16" for an image tower under torch's autocast to bfloat16.

    Attributes:
        clip: The frozen CLIP.
        stride: Edge of a patch, pixels.
        image_height: Height to which images are resized, pixels.
        scales: Factors on image_height.
        key_smoothing: Whether embeddings are smoothed by keys.
        readout: Name of the read-out.
        window: Edge of the windows, pixels; 0 without.
        window_step: From one window to the next, pixels.
        refinement: Iterations of the refinement.
        precision: "fp32" or "bf16", of the image tower.

    Raises:
        ValueError: If the CLIP has another kind of image tower, there is no scale, the smallest
            height is below one patch, the tower has no such read-out, windows do not consist of
            whole patches or leave gaps, or the precision is another.
    """

    def __init__(
        self,
        clip: Clip,
        image_height: int | None = None,
        key_smoothing: bool = False,
        scales: Sequence[float] = (1.0,),
        readout: str = "maskclip",
        window: int = 0,
        window_step: int = 0,
        refinement: int = 0,
        precision: str = "fp32",
    ) -> None:
        visual = clip.model.visual
        check_tower(clip.name, visual)
        self.clip = clip
        self.stride = _stride(visual)
        self.image_height = clip.image_height if image_height is None else image_height
        self.scales = tuple(scales)
        if not self.scales or self.image_height * min(self.scales) < self.stride:
            raise ValueError(
                f"there must be a scale, and image_height times each at least {self.stride} (one "
                f"patch), got image_height {self.image_height} and scales {self.scales}"
            )
        self.key_smoothing = key_smoothing
        known = ("maskclip", *ATTENTIVE_READOUTS)
        if readout not in known:
            raise ValueError(f"readout must be one of {', '.join(known)}, got {readout!r}")
        if readout != "maskclip" and not isinstance(visual, VisionTransformer):
            trunk = visual.trunk if isinstance(visual, TimmModel) else visual
            raise ValueError(
                f"readout {readout!r} is for open_clip's own ViTs, but CLIP {clip.name!r} has a "
                f"{type(trunk).__name__}; take 'maskclip', or a CLIP such as ViT-B-16/openai"
            )
        self.readout = readout
        self.window = window
        self.window_step = window_step or window // 2 // self.stride * self.stride or window
        steps = (window, self.window_step)
        if any(step % self.stride for step in steps) or not 0 <= self.window_step <= window:
            raise ValueError(
                f"window and window_step must be multiples of {self.stride} (one patch), and the "
                f"step no larger than the window, got {window} and {window_step}"
            )
        if refinement < 0:
            raise ValueError(f"refinement must not be negative, got {refinement}")
        self.refinement = refinement
        if precision not in ("fp32", "bf16"):
            raise ValueError(f"precision must be fp32 or bf16, got {precision!r}")
        self.precision = precision
        self._refined = refinement_factor(self.stride) if refinement else 1

    @torch.no_grad()
    def embed_pixels(self, images: Tensor) -> Tensor:
        """Embed images densely.

        Args:
            images: (B, 3, H, W) float in [0, 1], RGB, any size.

        Returns:
            (B, D, h, w) float32, unit length along D; the h x w places cover the whole image, see
            `map_size`.

        Raises:
            ValueError: If images is not (B, 3, H, W) float.
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise ValueError(
                f"images must be (B, 3, H, W) float in [0, 1], got {tuple(images.shape)} "
                f"{images.dtype}; divide uint8 by 255 and move channels to the front"
            )
        images = images.to(self.clip.device)
        embeddings = self._embed_scales(images)
        if not self.refinement:
            return embeddings
        return F.normalize(refine(embeddings, images, self._refined, self.refinement), dim=1)

    def _embed_scales(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> unit embeddings (B, D, h, w), averaged over scales."""
        if len(self.scales) == 1:
            return self._embed_at(images, self.scales[0])
        # The finest first: the others are resized to its places.
        finest, *others = (self._embed_at(images, s) for s in sorted(self.scales, reverse=True))
        for other in others:
            size = (finest.shape[2], finest.shape[3])
            finest += F.interpolate(other, size, mode="bilinear", align_corners=False)
        return F.normalize(finest, dim=1)

    def _embed_at(self, images: Tensor, scale: float) -> Tensor:
        """Images (B, 3, H, W) -> unit embeddings (B, D, h, w), at one scale."""
        pixels = self._preprocess(images, scale)
        if not self.window:
            return self._embed_window(pixels)
        averaged = slide(self._embed_window, pixels, self.window, self.window_step, self.stride)
        return F.normalize(averaged, dim=1)

    def _embed_window(self, pixels: Tensor) -> Tensor:
        """Normalized pixels (B, 3, H, W) -> unit embeddings (B, D, h, w)."""
        visual = self.clip.model.visual
        with torch.autocast(pixels.device.type, torch.bfloat16, self.precision == "bf16"):
            if isinstance(visual, VisionTransformer):
                values, keys = read_vit(visual, pixels, self.readout)
            elif isinstance(visual, TimmModel):
                values, keys = read_timm(visual, pixels)
            else:
                values, keys = value_path_of_resnet(visual, pixels)
        values, keys = values.float(), keys.float()
        embeddings = F.normalize(values, dim=1)
        return smooth_by_keys(embeddings, keys) if self.key_smoothing else embeddings

    def input_size(self, image_size: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
        """Size (height, width) to which images are resized, pixels: a whole number of patches."""
        scale *= self.image_height / image_size[0]
        height, width = (max(1, round(side * scale / self.stride)) for side in image_size)
        return height * self.stride, width * self.stride

    def map_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Size (rows, columns) of the dense embeddings of an image (height, width), in places."""
        height, width = self.input_size(image_size, max(self.scales))
        rows, columns = height // self.stride, width // self.stride
        return rows * self._refined, columns * self._refined

    def _preprocess(self, images: Tensor, scale: float = 1.0) -> Tensor:
        """Resize and normalize images (B, 3, H, W) as in the training of this CLIP."""
        size = self.input_size((images.shape[2], images.shape[3]), scale)
        if size != tuple(images.shape[2:]):
            images = F.interpolate(images, size, mode="bilinear", antialias=True)
        mean = images.new_tensor(self.clip.mean).view(1, 3, 1, 1)
        std = images.new_tensor(self.clip.std).view(1, 3, 1, 1)
        return (images - mean) / std


def read_vit(
    visual: VisionTransformer, images: Tensor, readout: str = "maskclip"
) -> tuple[Tensor, Tensor]:
    """Run a VisionTransformer with a read-out instead of its last attention.

    Args:
        visual: VisionTransformer.
        images: (B, 3, H, W) float, normalized; H and W are multiples of the patch size.
        readout: See `DenseClip`.

    Returns:
        Embeddings (B, D, h, w), not of unit length, and the last attention's keys (B, C, h, w).
    """
    tokens, map_size = _tokens_of_blocks(visual, images)
    if readout == "maskclip":
        patches = _value_path_of_last_block(visual, tokens[-1])
    else:
        patches = ATTENTIVE_READOUTS[readout](visual, tokens, map_size)
    maps = (patches, _keys_of_last_block(visual, tokens[-1]))
    embeddings, keys = (one.transpose(1, 2).reshape(len(one), -1, *map_size) for one in maps)
    return embeddings, keys


def _tokens_of_blocks(
    visual: VisionTransformer, images: Tensor
) -> tuple[list[Tensor], tuple[int, int]]:
    """Images (B, 3, H, W) -> tokens (B, 1 + h * w, C) after each block but the last, and (h, w).

    The class token comes first. A tower of one block has the tokens before it.
    """
    tokens = visual.conv1(images)  # (B, C, h, w)
    rows, columns = tokens.shape[2:]
    tokens = tokens.flatten(2).transpose(1, 2)
    class_token = visual.class_embedding.expand(len(images), 1, -1)
    positions = _resized_positions(visual, rows, columns)
    tokens = visual.ln_pre(torch.cat([class_token, tokens], dim=1) + positions)
    after = []
    for block in visual.transformer.resblocks[:-1]:
        tokens = block(tokens)
        after.append(tokens)
    return after or [tokens], (rows, columns)


def _value_path_of_last_block(visual: VisionTransformer, tokens: Tensor) -> Tensor:
    """Tokens (B, 1 + h * w, C) -> embeddings (B, h * w, D)."""
    last_block = visual.transformer.resblocks[-1]
    attention = last_block.attn
    _, _, value_weight = attention.in_proj_weight.chunk(3)
    _, _, value_bias = attention.in_proj_bias.chunk(3)
    tokens = tokens[:, 1:]  # the class token is dropped
    values = attention.out_proj(F.linear(last_block.ln_1(tokens), value_weight, value_bias))
    tokens = tokens + last_block.ls_1(values)
    tokens = tokens + last_block.ls_2(last_block.mlp(last_block.ln_2(tokens)))
    embeddings: Tensor = visual.ln_post(tokens) @ visual.proj
    return embeddings


def _keys_of_last_block(visual: VisionTransformer, tokens: Tensor) -> Tensor:
    """Tokens (B, 1 + h * w, C) -> keys of the last attention (B, h * w, C)."""
    last_block = visual.transformer.resblocks[-1]
    _, key_weight, _ = last_block.attn.in_proj_weight.chunk(3)
    _, key_bias, _ = last_block.attn.in_proj_bias.chunk(3)
    return F.linear(last_block.ln_1(tokens[:, 1:]), key_weight, key_bias)


def value_path_of_resnet(visual: ModifiedResNet, images: Tensor) -> tuple[Tensor, Tensor]:
    """Run a ModifiedResNet with the value path instead of its attention pool.

    Args:
        visual: open_clip.ModifiedResNet, of any stride.
        images: (B, 3, H, W) float, normalized.

    Returns:
        Embeddings (B, D, h, w), not of unit length, and the pool's keys (B, C, h, w).
    """
    features = resnet_features(visual, images)
    return place_embeddings(visual.attnpool, features), _as_1x1(visual.attnpool.k_proj, features)


def resnet_features(visual: ModifiedResNet, images: Tensor) -> Tensor:
    """Run a ModifiedResNet up to its pool: images (B, 3, H, W) -> features (B, C, h, w)."""
    features: Tensor = visual.stem(images)
    for stage in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        features = stage(features)
    return features


def place_embeddings(pool: AttentionPool2d | PositionFreeAttentionPool, features: Tensor) -> Tensor:
    """Apply the value path of an attention pool: features (B, C, h, w) -> (B, D, h, w)."""
    # Two linear layers in a row are one linear layer, and D is smaller than C.
    weight = pool.c_proj.weight @ pool.v_proj.weight
    bias = pool.c_proj.weight @ pool.v_proj.bias + pool.c_proj.bias
    return F.conv2d(features, weight[:, :, None, None], bias)


def _as_1x1(linear: nn.Linear, features: Tensor) -> Tensor:
    """Use a linear layer as a 1x1 convolution on (B, C, h, w)."""
    return F.conv2d(features, linear.weight[:, :, None, None], linear.bias)


def pooled_and_dense(
    visual: VisionTransformer | ModifiedResNet, images: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute pooled and dense embeddings in one run of the image tower, for training.

    Args:
        visual: Image tower.
        images: (B, 3, H, W) float, normalized.

    Returns:
        Pooled embeddings of the images (B, D), and value-path embeddings of their places
        (B, D, h, w); neither of unit length.
    """
    if isinstance(visual, VisionTransformer):
        tokens, map_size = _tokens_of_blocks(visual, images)
        class_token = visual.transformer.resblocks[-1](tokens[-1])[:, 0]
        dense = _value_path_of_last_block(visual, tokens[-1])
        places = dense.transpose(1, 2).reshape(len(dense), -1, *map_size)
        return visual.ln_post(class_token) @ visual.proj, places
    features = resnet_features(visual, images)
    return visual.attnpool(features), place_embeddings(visual.attnpool, features)


def smooth_by_keys(embeddings: Tensor, keys: Tensor) -> Tensor:
    """Replace each embedding by a mean over the image, weighted by the similarity of keys.

    Args:
        embeddings: (B, D, h, w) float, unit length.
        keys: (B, C, h, w) float.

    Returns:
        (B, D, h, w) float, unit length.

    Source: MaskCLIP (ECCV 2022), key smoothing. Two changes: it smooths embeddings instead of
    class scores, so it does not depend on the prompts; and the weights are a softmax of cosines,
    because in a plain sum the hundreds of dissimilar places of a wide image outweigh the similar
    ones.
    """
    unit_keys = F.normalize(keys.flatten(2), dim=1)
    cosines = unit_keys.transpose(1, 2) @ unit_keys  # (B, h * w, h * w), symmetric
    weights = torch.softmax(cosines / _KEY_TEMPERATURE, dim=2)
    smoothed = embeddings.flatten(2) @ weights.transpose(1, 2)
    return F.normalize(smoothed, dim=1).view_as(embeddings)


def _stride(visual: VisionTransformer | TimmModel | ModifiedResNet) -> int:
    """Edge of a place, pixels."""
    if isinstance(visual, TimmModel):
        return stride_of(visual)
    if isinstance(visual, VisionTransformer):
        patch: int = visual.patch_size[0]
        return patch
    # The stem halves the size twice; each pooling of a stage halves it once more.
    poolings: int = sum(
        isinstance(stage[0].avgpool, nn.AvgPool2d)
        for stage in (visual.layer1, visual.layer2, visual.layer3, visual.layer4)
    )
    return 4 << poolings


def _resized_positions(visual: VisionTransformer, rows: int, columns: int) -> Tensor:
    """Position embeddings (1 + rows * columns, C), resized bicubically to another image size."""
    positions: Tensor = visual.positional_embedding
    if (rows, columns) == tuple(visual.grid_size):
        return positions
    grid = positions[1:].T.reshape(1, -1, *visual.grid_size)
    resized = F.interpolate(grid, (rows, columns), mode="bicubic", align_corners=False)
    return torch.cat([positions[:1], resized[0].flatten(1).T])
