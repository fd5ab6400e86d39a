"""A fine-tuned network where a student is asked: its classes take the place of words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.checkpoint import (
    SHIPPED,
    FinetunedCheckpoint,
    is_finetuned,
    load_finetuned,
)
from clip2scene_core.device import find_device
from clip2scene_core.inference.embedder import PRECISIONS
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.views import check_views, mean_over_views
from clip2scene_core.prompts.prompt_set import PromptSet, as_prompt_set, encode_prompt_set
from clip2scene_core.prompts.scoring import Scoring, make_scoring
from clip2scene_core.prompts.text_encoder import KnownPrompts
from clip2scene_core.prompts.vocabulary import Vocabulary, make_vocabulary
from clip2scene_core.teacher.prompting.template import ENSEMBLE


class OwnClasses:
    """Compares points with the classes of a fine-tuned network, as `Segmenter` does with texts.

    The "text" of a class is its axis in a space of as many numbers as there are classes, and a
    point lies at the square roots of its probabilities. So points have unit length, the square of a
    cosine is a probability, and fusion, scores and map need to know no more of it. A choice of the
    classes, under other names or in groups, is labelled as well; other words are refused.

    Args:
        checkpoint: From `load_finetuned`.
        device: Where it runs, for example "cpu" or "cuda".
        precision: "fp32" or "bf16".
        views: How often it looks at each sweep, see `OnlineOptions`; the mean of the probabilities
            counts.

    Attributes:
        input: What the network is told of a sweep.
        reads_colors: Whether it reads colors, so that points must be (N, 7).
        vocabulary: The C classes with their axes as embeddings, (C, C).
        embed_prompts: Gives the axes of the classes, and refuses other words.
        chosen: The labels of the next sweep, by default all classes.
        logit_scale: What turns cosines into logits in the map. Scores of voxels are those of points
            up to a rising function.
    """

    logit_scale = 6.0

    def __init__(
        self,
        checkpoint: FinetunedCheckpoint,
        device: str = "cpu",
        precision: str = "fp32",
        views: int = 1,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        names = checkpoint.class_names
        self.input = checkpoint.config.input
        self.reads_colors = "color" in checkpoint.config.network.features
        self.vocabulary = make_vocabulary(names, torch.eye(len(names)))
        self.embed_prompts = KnownPrompts(self.vocabulary, self._refuse)
        self.chosen = self.vocabulary
        self._device, self._dtype = find_device(device), PRECISIONS[precision]
        self._classifier = checkpoint.classifier.to(self._device)
        check_views(views)
        self._views = views

    def scoring(self, vocabulary: Vocabulary, with_background: bool) -> Scoring:
        """Say what the scores of a choice of classes are made of; see `make_scoring`."""
        return make_scoring(
            vocabulary, self.vocabulary, 1 / self.logit_scale, None, with_background
        )

    @torch.inference_mode()
    def embed_input(self, told: NDArray[np.float32]) -> Tensor:
        """Classify what `preprocess` made of a sweep.

        Args:
            told: (N, 4) float32, finite.

        Returns:
            (N, C) float32 of unit length, the square roots of the probabilities.
        """
        sweep = torch.from_numpy(np.ascontiguousarray(told)).to(self._device)
        return mean_over_views(self._classify, sweep, self._views).sqrt()

    def _classify(self, sweep: Tensor) -> Tensor:
        """Probabilities (N, C) float32 of points (N, 4)."""
        batch_index = torch.zeros(len(sweep), dtype=torch.int64, device=self._device)
        with torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._dtype is torch.bfloat16
        ):
            logits = self._classifier(sweep, batch_index)
        return torch.softmax(logits.float(), dim=1)

    @torch.inference_mode()
    def compare(self, embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
        """Compare classified points with some of the classes.

        Args:
            embeddings: (N, C) float32, from `embed_input`.
            text_embeddings: (K, C) float32, the axes of K classes.

        Returns:
            (N, K) float32, the probabilities of these classes, in rows that sum to one.
        """
        return torch.softmax(self.logits(embeddings, text_embeddings), dim=1)

    @torch.inference_mode()
    def logits(self, embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
        """Compare as `compare` does, before the softmax: (N, K) float32 logarithms."""
        squares = (embeddings @ text_embeddings.to(embeddings.device).T).square()
        return (squares + torch.finfo(squares.dtype).tiny).log()

    def score(self, embeddings: Tensor, scoring: Scoring, vocabulary: Vocabulary) -> Tensor:
        """Compare classified points with the chosen classes and with the others.

        Args:
            embeddings: (N, C) float32, from `embed_input`.
            scoring: From `scoring`, of the same vocabulary; B classes of background.
            vocabulary: K chosen classes.

        Returns:
            (N, K + B) float32, rows that sum to one.
        """
        return self.compare(embeddings, scoring.texts(vocabulary))

    def _refuse(self, prompts: Sequence[str], template: str = ENSEMBLE) -> Tensor:
        others = [prompt for prompt in prompts if prompt not in self.vocabulary.names]
        raise ValueError(
            f"a fine-tuned network has no words, but its own classes: "
            f"{', '.join(self.vocabulary.names)}; leave out "
            f"{', '.join(map(repr, others[:5])) or f'the template {template!r}'}"
        )


def load_own_classes(
    weights: Path | str,
    prompts: Sequence[str] | PromptSet | None,
    options: OnlineOptions,
    teacher: str | None = None,
    texts: Path | None = None,
) -> OwnClasses | None:
    """Load a fine-tuned network; None if the weights are a student's or not asked for.

    Args:
        weights: A checkpoint, or "small" or "large".
        prompts: Some of its classes; by default all.
        options: Mode, device and precision.
        teacher: A CLIP that was asked for; a fine-tuned network has none.
        texts: A table of texts that was asked for, the same.

    Raises:
        ValueError: If it cannot do what is asked; one line says why.
    """
    if options.mode == "camera" or str(weights) in SHIPPED or not is_finetuned(Path(weights)):
        return None
    if options.mode != "lidar" or teacher is not None or texts is not None:
        raise ValueError(
            f"{weights} is fine-tuned: it labels in mode 'lidar', with its own classes; leave out "
            f"the teacher, its texts and mode {options.mode!r}"
        )
    network = load_finetuned(Path(weights))
    own = OwnClasses(network, options.device, options.precision, options.views)
    if prompts is not None:
        own.chosen = encode_prompt_set(as_prompt_set(prompts), own.embed_prompts).vocabulary
    return own
