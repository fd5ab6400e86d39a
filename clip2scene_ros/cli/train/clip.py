"""`clip2scene clip`: train a small CLIP on pictures of the synthetic world, or score any CLIP."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from clip2scene_core.atomic_write import atomic_write
from clip2scene_ros.cli.arguments import add_camera_arguments, add_threads_argument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clip2scene_core.evaluation import ConfusionMatrix
    from clip2scene_core.teacher.clip import Clip
    from clip2scene_core.world.captions.pictures import Picture, Split

SUMMARY = "train a small CLIP on captioned pictures of the synthetic world, or score a CLIP there"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    jobs = parser.add_subparsers(dest="job", required=True, metavar="JOB")
    formatter = argparse.ArgumentDefaultsHelpFormatter
    for name, help_text, add in (
        ("train", "train a small CLIP and score it", _add_train_arguments),
        ("score", "how well a CLIP names pictures, words and pixels", _add_score_arguments),
    ):
        job = jobs.add_parser(
            name, help=help_text, description=help_text, formatter_class=formatter
        )
        add(job)
        add_threads_argument(job)


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="CLIP to write (.safetensors)")
    parser.add_argument("--pictures", type=int, default=48000, help="pictures to train on")
    parser.add_argument("--size", type=int, default=160, help="of the pictures, pixels")
    parser.add_argument(
        "--views",
        type=float,
        default=0.4,
        metavar="SHARE",
        help="pictures of whole streets",
    )
    parser.add_argument(
        "--varied",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="scenes on varied terrain and in places other than streets",
    )
    parser.add_argument("--held-out", type=int, default=2000, help="pictures to score on")
    parser.add_argument("--steps", type=int, default=3000, help="batches of pictures")
    parser.add_argument("--batch-size", type=int, default=256, help="pictures in a batch")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="after the warm-up")
    parser.add_argument(
        "--crops", type=int, nargs="+", default=[80, 112, 144], metavar="PX", help="edges of crops"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that render pictures")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="multiply in bfloat16: faster on GPUs and where the CPU can, else ten times slower",
    )
    parser.add_argument("--width", type=int, default=24, help="of the ResNet's stem")
    parser.add_argument("--tower", choices=("resnet", "vit"), default="resnet", help="for images")
    parser.add_argument(
        "--captions-only",
        action="store_true",
        help="CLIP's own loss between whole pictures and captions; places learn no phrases",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="CLIP",
        help="small CLIP to go on from; its text tower is kept, so its students stay of use",
    )
    parser.add_argument(
        "--distill",
        metavar="CLIP",
        help="small CLIP whose text tower is kept, and whose embeddings of pictures are learned",
    )
    parser.add_argument(
        "--image-height", type=int, default=224, help="height at which images are labelled, pixels"
    )
    parser.add_argument("--seed", type=int, default=0, help="of pictures, weights and order")


def _add_score_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", nargs="?", default="small", help="CLIP, or a small CLIP's file")
    parser.add_argument("--pictures", type=int, default=2000, help="pictures to score on")
    parser.add_argument(
        "--split", choices=("val", "test"), default="val", help="val to choose by, test to report"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the pictures")
    parser.add_argument(
        "--dataset",
        type=Path,
        help="synthetic data set with ground truth, for dense scores, too",
    )
    parser.add_argument("--image-height", type=int, help="of dense scores; the CLIP's by default")
    add_camera_arguments(parser, scales="--scales")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores there as well")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.device import use_threads

    use_threads(arguments.threads)
    if arguments.job == "train":
        _train(arguments)
    else:
        _score(arguments)


def _train(arguments: argparse.Namespace) -> None:
    from clip2scene_core.bench.measure.clip_evaluation import evaluate_pictures
    from clip2scene_core.device import find_device
    from clip2scene_core.teacher.clip import load_clip
    from clip2scene_core.teacher.small_clip import SMALL_VIT, SmallClipShape, save_small_clip
    from clip2scene_core.teacher.train_small.data import Augmentation, CaptionedPictures
    from clip2scene_core.teacher.train_small.loop import (
        Progress,
        TrainingOptions,
        train_small_clip,
        with_scores,
    )

    out = arguments.out
    if out.exists():
        raise ValueError(f"{out} exists; choose another --out or remove it")
    device = find_device(arguments.device)
    taken = _take_pictures(
        arguments.pictures,
        arguments.seed,
        "train",
        size=arguments.size,
        view_share=arguments.views,
        workers=arguments.workers,
        varied_share=arguments.varied,
    )
    pictures = CaptionedPictures.collect(
        (p.image, p.caption.text, p.caption.phrases) for p in taken
    )
    shape = SMALL_VIT if arguments.tower == "vit" else SmallClipShape(width=arguments.width)
    options = TrainingOptions(
        shape=replace(shape, image_height=arguments.image_height),
        augmentation=Augmentation(sizes=tuple(arguments.crops)),
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        start=arguments.start,
        distill=arguments.distill,
        bfloat16=arguments.bfloat16,
        seed=arguments.seed,
    )
    if arguments.captions_only:
        options = replace(options, place_weight=0.0, choice_weight=0.0)
    with tqdm(desc="training", total=options.steps, unit="step") as bar:

        def report(progress: Progress) -> None:
            bar.set_postfix(loss=f"{progress.loss:.3f}", refresh=False)
            bar.update(progress.step - bar.n)

        small_clip = train_small_clip(pictures, options, out, report, device)
    held_out = _take_pictures(arguments.held_out, arguments.seed, "val", workers=arguments.workers)
    scores = evaluate_pictures(load_clip(f"small:{out}", device), held_out)
    save_small_clip(out, with_scores(small_clip, scores.as_dict()))
    print(scores.format_report())
    print(f"small CLIP: {out}")


def _score(arguments: argparse.Namespace) -> None:
    from clip2scene_core.bench.measure.clip_evaluation import evaluate_pictures
    from clip2scene_core.device import find_device
    from clip2scene_core.labels import NUSCENES_CLASSES
    from clip2scene_core.teacher.clip import load_clip

    name = f"small:{arguments.clip}" if Path(arguments.clip).is_file() else arguments.clip
    clip = load_clip(name, find_device(arguments.device))
    if arguments.split == "test":
        print("This looks at the test split. Tune nothing by what it says.")
    pictures = _take_pictures(arguments.pictures, arguments.seed, arguments.split)
    scores = evaluate_pictures(clip, pictures)
    print(scores.format_report())
    record: dict[str, object] = {
        "clip": arguments.clip,
        "split": arguments.split,
        "seed": arguments.seed,
        "pictures": scores.as_dict(),
    }
    if arguments.dataset is not None:
        confusion = _score_pixels(clip, arguments)
        names = [c.name for c in NUSCENES_CLASSES]
        print(f"\npixels\n{confusion.format_report(names)}")
        record["pixels"] = {
            "image_height": arguments.image_height or clip.image_height,
            "scales": arguments.scales,
            "key_smoothing": not arguments.no_key_smoothing,
            "readout": arguments.readout,
            "window": [arguments.window, arguments.window_step],
            "refinement": arguments.refinement,
            "num_pixels": int(confusion.counts.sum()),
            "mean_iou": confusion.mean_iou(),
            "iou": {
                name: None if iou != iou else float(iou)  # JSON has no NaN
                for name, iou in zip(names, confusion.iou(), strict=True)
            },
        }
    if arguments.json is not None:
        with atomic_write(arguments.json) as draft:
            draft.write_text(json.dumps(record, indent=2) + "\n")


def _score_pixels(clip: Clip, arguments: argparse.Namespace) -> ConfusionMatrix:
    from clip2scene_core.bench.measure.clip_evaluation import evaluate_pixels
    from clip2scene_core.teacher.maskclip import DenseClip

    dense_clip = DenseClip(
        clip,
        arguments.image_height,
        not arguments.no_key_smoothing,
        arguments.scales,
        arguments.readout,
        arguments.window,
        arguments.window_step,
        arguments.refinement,
    )
    with tqdm(desc="pixels", unit="keyframe") as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return evaluate_pixels(dense_clip, arguments.dataset, progress=report)


def _take_pictures(count: int, seed: int, split: Split, **options: Any) -> Iterable[Picture]:
    from clip2scene_core.world.captions.pictures import caption_pictures

    pictures = caption_pictures(count, seed, split=split, **options)
    return tqdm(pictures, total=count, desc=f"{split} pictures")
