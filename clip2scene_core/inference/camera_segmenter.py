"""Label points by what the cameras see: MaskCLIP's pixel embeddings, projected onto the sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.geometry.projection import PixelPointPairs, pair_pixels_with_points
from clip2scene_core.sample import CameraView, Sweep

if TYPE_CHECKING:
    from clip2scene_core.inference.options import OnlineOptions
    from clip2scene_core.teacher.clip import Clip
    from clip2scene_core.teacher.maskclip import DenseClip

DEFAULT_OCCLUSION_MARGIN_M = 0.5


@dataclass(frozen=True)
class PairedEmbeddings:
    """The teacher's view of some points.

    Attributes:
        pairs: P pixel-point pairs.
        embeddings: (P, D) float32 pixel embeddings of unit length.
        places: For each camera (h * w, D) float32, all of its picture; (0, D) for a camera without
            pairs, and () where prompts are not denoised.
    """

    pairs: PixelPointPairs
    embeddings: Tensor
    places: tuple[Tensor, ...] = ()

    def in_view(self, num_points: int) -> Tensor:
        """Tell of N points of one sweep which ones a camera sees: (N,) bool."""
        return self._views(num_points) > 0

    def per_point(self, num_points: int) -> Tensor:
        """Average over the views of each of N points: (N, D) float32, zero rows where none."""
        total = torch.zeros(num_points, self.embeddings.shape[1])
        total.index_add_(0, torch.from_numpy(self.pairs.point_index), self.embeddings)
        return total / self._views(num_points).clamp(min=1)[:, None]

    def _views(self, num_points: int) -> Tensor:
        return torch.bincount(torch.from_numpy(self.pairs.point_index), minlength=num_points)


class CameraSegmenter:
    """The frozen CLIP as a labeller of points.

    Args:
        dense_clip: The teacher.
        occlusion_margin_m: See `pair_pixels_with_points`.
        prompt_denoising: A label whose probability stays below this at every place of a picture
            is not in that picture, and its points there go to the other labels. 0 keeps all.

    Source: MaskCLIP (ECCV 2022), prompt denoising. One change: where it would drop every label, all
    of them stay.

    Attributes:
        logit_scale: What turns cosines into the teacher's logits.
    """

    def __init__(
        self,
        dense_clip: DenseClip,
        occlusion_margin_m: float | None = DEFAULT_OCCLUSION_MARGIN_M,
        prompt_denoising: float = 0.0,
    ) -> None:
        self._dense_clip = dense_clip
        self.logit_scale = float(dense_clip.clip.model.logit_scale.exp())
        self._occlusion_margin_m = occlusion_margin_m
        self._prompt_denoising = prompt_denoising

    @torch.inference_mode()
    def embed_pairs(
        self, sweeps: Sequence[Sweep], cameras: Sequence[CameraView]
    ) -> PairedEmbeddings:
        """Pair points with pixels and embed the pixels.

        Args:
            sweeps: S sweeps; points that are not finite pair with nothing.
            cameras: V views of any size.

        Returns:
            Pairs and their pixel embeddings.
        """
        from clip2scene_core.teacher.sampling import sample_at

        pairs = pair_pixels_with_points(
            sweeps, cameras, occlusion_margin_m=self._occlusion_margin_m
        )
        embeddings = torch.zeros(len(pairs), self._dense_clip.clip.embedding_size)
        places = [embeddings[:0]] * len(cameras)
        for index, camera in enumerate(cameras):
            rows = torch.from_numpy(np.flatnonzero(pairs.camera_index == index))
            if len(rows) == 0:
                continue
            image = torch.tensor(camera.image).permute(2, 0, 1)[None].float().div_(255)
            dense = self._dense_clip.embed_pixels(image)
            places[index] = dense[0].flatten(1).T.cpu()
            embeddings[rows] = sample_at(
                dense,
                torch.zeros(len(rows), dtype=torch.int64),
                torch.from_numpy(pairs.pixels)[rows],
                (camera.image.shape[0], camera.image.shape[1]),
            ).cpu()
        return PairedEmbeddings(pairs, embeddings, tuple(places) if self._prompt_denoising else ())

    @torch.inference_mode()
    def compare(
        self,
        paired: PairedEmbeddings,
        num_points: int,
        text_embeddings: Tensor,
        label_of_text: Tensor | None = None,
    ) -> tuple[Tensor, NDArray[np.bool_]]:
        """Compare the pixels of one sweep's points with every text.

        Args:
            paired: Of one sweep.
            num_points: N, how many points the sweep has.
            text_embeddings: (C, D) float32 of unit length, by the same CLIP.
            label_of_text: (C,) int64, for prompt denoising; without it no text is dropped.

        Returns:
            (N, C) float32 probabilities, averaged over the cameras that see a point, zero rows
            elsewhere; and (N,) bool, whether any camera sees the point.
        """
        logits = self.logit_scale * paired.embeddings @ text_embeddings.T  # (P, C)
        if label_of_text is not None and paired.places:
            in_picture = self._find_texts(paired.places, text_embeddings, label_of_text)
            camera_index = torch.from_numpy(paired.pairs.camera_index)
            logits = logits.masked_fill(~in_picture[camera_index], -torch.inf)
        pixel_probabilities = torch.softmax(logits, dim=1)
        point_index = torch.from_numpy(paired.pairs.point_index)
        total = torch.zeros(num_points, len(text_embeddings))
        total.index_add_(0, point_index, pixel_probabilities)
        views = torch.bincount(point_index, minlength=num_points)
        return total / views.clamp(min=1)[:, None], (views > 0).numpy()

    def _find_texts(
        self, places: Sequence[Tensor], text_embeddings: Tensor, label_of_text: Tensor
    ) -> Tensor:
        """Tell for V pictures which of C texts they show: (V, C) bool."""
        in_picture = torch.ones(len(places), len(text_embeddings), dtype=torch.bool)
        for index, of_picture in enumerate(places):
            if len(of_picture) == 0:
                continue
            probabilities = torch.softmax(self.logit_scale * of_picture @ text_embeddings.T, dim=1)
            by_label = probabilities.new_zeros(len(of_picture), int(label_of_text.max()) + 1)
            by_label.index_add_(1, label_of_text, probabilities)
            is_shown = by_label.amax(dim=0) >= self._prompt_denoising
            if is_shown.any():
                in_picture[index] = is_shown[label_of_text]
        return in_picture


def make_camera_segmenter(clip: Clip, options: OnlineOptions) -> CameraSegmenter:
    """Make of a CLIP what labels pixels, as the options say.

    Raises:
        ValueError: If the CLIP has no such read-out, or the scales do not fit.
    """
    from clip2scene_core.teacher.maskclip import DenseClip  # open_clip takes seconds

    dense_clip = DenseClip(
        clip,
        key_smoothing=options.key_smoothing,
        scales=options.camera_scales,
        readout=options.readout,
        window=options.window,
        window_step=options.window_step,
        refinement=options.refinement,
    )
    return CameraSegmenter(dense_clip, prompt_denoising=options.prompt_denoising)
