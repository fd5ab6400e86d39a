"""Trains the small CLIP on pictures with captions. A training can stop and resume."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.files.damage import name_damage
from clip2scene_core.teacher.maskclip import pooled_and_dense
from clip2scene_core.teacher.openclip import CLIP, open_clip
from clip2scene_core.teacher.prompting.prompts import PROMPT_TEMPLATES, tokenize
from clip2scene_core.teacher.prompting.text_tower import encode_tokens
from clip2scene_core.teacher.prompting.tokenizer import CompactBytePairTokenizer
from clip2scene_core.teacher.small_clip import (
    SmallClipFile,
    SmallClipShape,
    build_small_clip,
    save_small_clip,
)
from clip2scene_core.teacher.train_small.data import (
    Augmentation,
    CaptionedPictures,
    random_crops,
)
from clip2scene_core.teacher.train_small.losses import (
    are_equal,
    are_named,
    contrastive_loss,
    picture_similarity,
    place_choice_loss,
    place_similarity,
)
from clip2scene_core.teacher.train_small.trained import TrainedClip

_LOG = logging.getLogger(__name__)

_LARGEST_LOGIT_SCALE = math.log(100)
_CHECKPOINT_FORMAT = "clip2scene small CLIP training state 1"


@dataclass(frozen=True)
class TrainingOptions:
    """How a small CLIP is trained.

    Attributes:
        shape: Shape of the CLIP.
        augmentation: Ranges of the random crops.
        steps: Number of batches.
        batch_size: Number of pictures in a batch.
        learning_rate: Learning rate of AdamW after the warm-up. It falls to 0 along a cosine.
        warmup_steps: Number of steps over which the learning rate rises.
        weight_decay: Weight decay of weight matrices. Biases, norms and the logit scale have none.
        place_weight: Weight of InfoNCE between the phrases of captions and the places of pictures.
        choice_weight: Weight of `place_choice_loss`. If `place_weight` is 0, too, training is
            CLIP's, on whole pictures and captions only.
        choice_shares: Share of a picture's places in `place_choice_loss` if the caption has one
            phrase, two, and so on (the last one: or more). These are the places that match best.
            The others may show what the caption leaves out.
        start: A small CLIP, as `load_clip` names it, whose weights are those that training begins
            with, and whose text tower is kept, so that students of it still understand the words of
            what comes out; None begins with random weights.
        distill: A small CLIP whose text tower is taken over and kept, and whose pooled embeddings
            of crops are learned beside the captions; None trains both towers from nothing.
        distill_weight: Weight of the mean of 1 - cosine to those pooled embeddings.
        template_probability: Probability of putting a caption into one of the 85 templates.
        bfloat16: Whether to multiply matrices in bfloat16. The weights stay float32. This is faster
            only on CPUs that have instructions for it; others take ten times as long.
        save_every: Number of steps between two training checkpoints.
        seed: Seed of the initial weights, the order of pictures and the crops.
    """

    shape: SmallClipShape = field(default_factory=SmallClipShape)
    augmentation: Augmentation = field(default_factory=Augmentation)
    steps: int = 3000
    batch_size: int = 256
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    weight_decay: float = 0.05
    place_weight: float = 1.0
    choice_weight: float = 1.0
    choice_shares: tuple[float, ...] = (0.3, 0.5, 0.75)
    start: str | None = None
    distill: str | None = None
    distill_weight: float = 10.0
    template_probability: float = 0.3
    bfloat16: bool = False
    save_every: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if self.start is not None and self.distill is not None:
            raise ValueError(
                f"a training begins with the weights of {self.start!r} or learns those of "
                f"{self.distill!r}, not both; leave one out"
            )


@dataclass(frozen=True)
class Progress:
    """Report of one step.

    Attributes:
        step: Number of steps that are done.
        num_steps: Number of steps of the training.
        loss: Loss of the step.
    """

    step: int
    num_steps: int
    loss: float


def train_small_clip(
    pictures: CaptionedPictures,
    options: TrainingOptions,
    out: Path,
    report: Callable[[Progress], None] | None = None,
    device: torch.device | str = "cpu",
) -> SmallClipFile:
    """Train a small CLIP. Resume if there is a training checkpoint beside `out`.

    The random numbers of a step depend only on the seed and the number of the step. So a resumed
    training ends with the same weights as one that was never stopped.

    Args:
        pictures: Pictures to train on.
        options: Options of the training.
        out: File of the small CLIP to write. The training checkpoint is `out` with the suffix
            `.state.safetensors`; it is removed at the end.
        report: Called after every step.
        device: Device to train on. It holds all pictures in memory.

    Returns:
        The trained small CLIP, on the CPU.

    Raises:
        ValueError: If the training checkpoint belongs to other options or other pictures.
    """
    training = _Training(pictures, options, torch.device(device))
    checkpoint = out.with_suffix(".state.safetensors")
    if checkpoint.is_file():
        training.restore(checkpoint)
        _LOG.info("resuming from step %d of %d (%s)", training.step, options.steps, checkpoint)
    loss = math.nan
    while training.step < options.steps:
        loss = training.take_step()
        if report is not None:
            report(Progress(training.step, options.steps, loss))
        if training.step % options.save_every == 0 and training.step < options.steps:
            training.save(checkpoint)
    record = {
        "num_pictures": len(pictures.captions),
        "picture_size": pictures.images.shape[1],
        "options": asdict(options),
        "last_loss": loss,
    }
    small_clip = training.make_file(record)
    save_small_clip(out, small_clip)
    checkpoint.unlink(missing_ok=True)
    return small_clip


def with_scores(small_clip: SmallClipFile, scores: dict[str, object]) -> SmallClipFile:
    """Add the scores on held-out pictures to the training record of a small CLIP."""
    return replace(small_clip, training={**small_clip.training, "scores": scores})


class _Training:
    """A training that can stop and resume between two steps."""

    def __init__(
        self, pictures: CaptionedPictures, options: TrainingOptions, device: torch.device
    ) -> None:
        self.pictures = pictures
        self.images = torch.from_numpy(pictures.images).to(device)
        self.options = options
        self.device = device
        self.step = 0
        given = options.start or options.distill
        self.trained = None if given is None else TrainedClip(given, options.shape, device)
        self.tokenizer = (
            CompactBytePairTokenizer.of_captions(
                pictures.captions, PROMPT_TEMPLATES, options.shape.context_length
            )
            if self.trained is None
            else self.trained.tokenizer
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            self.model = build_small_clip(options.shape, self.tokenizer.size)
        if self.trained is not None and options.start is not None:
            self.trained.give_weights(self.model)
        elif self.trained is not None:
            self.trained.give_text_tower(self.model)
        self.model.to(device, memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.model, options.weight_decay),
            lr=options.learning_rate,
            betas=(0.9, 0.98),
        )
        mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        self.mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(std, device=device).view(1, 3, 1, 1)

    def take_step(self) -> float:
        """Train on one batch and return its loss."""
        generator = torch.Generator().manual_seed(self.options.seed * 1_000_003 + self.step)
        index = self._picture_index()
        crops = random_crops(self.images[index], self.options.augmentation, generator)
        for group in self.optimizer.param_groups:
            group["lr"] = _learning_rate(self.step, self.options)
        captions = [self.pictures.captions[picture] for picture in index]
        phrases = [self.pictures.phrases[picture] for picture in index]
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.options.bfloat16):
            images = ((crops - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
            pooled, dense = pooled_and_dense(self.model.visual, images)
            image_embeddings, places = pooled.float(), dense.float()
            text_embeddings = self._embed(self._texts(captions, generator))
            unique_phrases = sorted({phrase for own in phrases for phrase in own})
            phrase_embeddings = self._embed(unique_phrases)
        scale = self.model.logit_scale
        loss = contrastive_loss(
            picture_similarity(image_embeddings, text_embeddings),
            scale,
            are_equal(captions).to(self.device),
        )
        is_named = are_named(phrases, unique_phrases).to(self.device)
        if self.options.place_weight > 0:
            similarity = place_similarity(places, phrase_embeddings)
            loss = loss + self.options.place_weight * contrastive_loss(similarity, scale, is_named)
        if self.options.choice_weight > 0:
            loss = loss + self.options.choice_weight * place_choice_loss(
                places, phrase_embeddings, scale, is_named, self.options.choice_shares
            )
        if self.trained is not None and self.options.distill is not None:
            with torch.autocast(self.device.type, torch.bfloat16, self.options.bfloat16):
                distance = self.trained.distance(images, image_embeddings)
            loss = loss + self.options.distill_weight * distance
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, _LARGEST_LOGIT_SCALE)
        self.step += 1
        return loss.item()

    def _picture_index(self) -> list[int]:
        """Choose the pictures of this step's batch. Every epoch has its own random order."""
        num_pictures = len(self.pictures.captions)
        batch_size = min(self.options.batch_size, num_pictures)
        steps_per_epoch = num_pictures // batch_size
        epoch, step = divmod(self.step, steps_per_epoch)
        order = np.random.default_rng((self.options.seed, epoch)).permutation(num_pictures)
        batch: list[int] = order[step * batch_size : (step + 1) * batch_size].tolist()
        return batch

    def _texts(self, captions: list[str], generator: torch.Generator) -> list[str]:
        """Put some captions of a batch into templates, at random."""
        in_template = (
            torch.rand(len(captions), generator=generator) < self.options.template_probability
        )
        template = torch.randint(len(PROMPT_TEMPLATES), (len(captions),), generator=generator)
        return [
            PROMPT_TEMPLATES[int(template[row])].format(caption) if in_template[row] else caption
            for row, caption in enumerate(captions)
        ]

    def _embed(self, texts: list[str]) -> Tensor:
        """Embed T texts, equal ones only once: (T, D) float32."""
        unique_texts = sorted(set(texts))
        tokens = tokenize(self.tokenizer, unique_texts).to(self.device)
        # Fused attention in bfloat16 is ten times slower backwards on a CPU.
        with sdpa_kernel(SDPBackend.MATH):
            embeddings = encode_tokens(self.model, tokens).float()
        row = {text: number for number, text in enumerate(unique_texts)}
        return embeddings[[row[text] for text in texts]]

    def save(self, path: Path) -> None:
        """Write a training checkpoint: everything that the next step depends on."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{name}.{key}"] = value
        metadata = {
            "format": _CHECKPOINT_FORMAT,
            "step": str(self.step),
            "made_by": self._fingerprint(),
        }
        with atomic_write(path) as draft:
            save_file(
                {name: value.contiguous() for name, value in tensors.items()}, draft, metadata
            )

    def restore(self, path: Path) -> None:
        """Load a training checkpoint.

        Raises:
            ValueError: If it belongs to other options or other pictures.
        """
        remedy = "; remove it to start over"
        with (
            name_damage(path, "training checkpoint", remedy=remedy),
            safe_open(path, framework="pt") as file,
        ):
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if (
            metadata.get("format") != _CHECKPOINT_FORMAT
            or metadata.get("made_by") != self._fingerprint()
        ):
            raise ValueError(
                f"{path} was made with other options or pictures; use them again, or remove it "
                "to start over"
            )
        with name_damage(path, "training checkpoint", remedy=remedy):
            self._take(tensors)
            self.step = int(metadata["step"])

    def _take(self, tensors: dict[str, Tensor]) -> None:
        """Load the weights and the moments of the optimizer."""
        prefix = "model."
        self.model.load_state_dict(
            {
                name[len(prefix) :]: value
                for name, value in tensors.items()
                if name.startswith(prefix)
            }
        )
        for name, parameter in self.model.named_parameters():
            prefix = f"optimizer.{name}."
            moments = {
                key[len(prefix) :]: value
                for key, value in tensors.items()
                if key.startswith(prefix)
            }
            # AdamW keeps its step counter on the CPU, wherever the weights are.
            self.optimizer.state[parameter] = {
                key: value if key == "step" else value.to(self.device)
                for key, value in moments.items()
            }

    def _fingerprint(self) -> str:
        """Describe the options and pictures that a training checkpoint belongs to, as JSON."""
        return json.dumps(
            [asdict(self.options), len(self.pictures.captions), self.tokenizer.pieces]
        )

    def make_file(self, record: dict[str, object]) -> SmallClipFile:
        """Join the model as it is now with the record of its training."""
        return SmallClipFile(
            model=self.model.eval().cpu(),
            shape=self.options.shape,
            tokenizer=self.tokenizer,
            mean=open_clip.OPENAI_DATASET_MEAN,
            std=open_clip.OPENAI_DATASET_STD,
            training=record,
        )


def _parameter_groups(model: CLIP, weight_decay: float) -> list[dict[str, object]]:
    """Split parameters into those with and without weight decay."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _learning_rate(step: int, options: TrainingOptions) -> float:
    """Compute the learning rate of a step: a linear warm-up, then a cosine down to 0."""
    if step < options.warmup_steps:
        return options.learning_rate * (step + 1) / options.warmup_steps
    progress = (step - options.warmup_steps) / max(1, options.steps - options.warmup_steps)
    return options.learning_rate * (1 + math.cos(math.pi * progress)) / 2
