"""The stretch that a training on recordings does not see, and what the student says of it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tqdm import tqdm

if TYPE_CHECKING:
    from clip2scene_core.datasets import KeyframeDataset
    from clip2scene_core.evaluation import Prediction
    from clip2scene_core.inference.online import OnlineSegmenter
    from clip2scene_core.sample import Sample

_SHARE: Final = 0.1


def add_holdout_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --hold-out."""
    parser.add_argument(
        "--hold-out",
        type=float,
        metavar="SHARE",
        help=f"keep the last scenes, this share of the keyframes, out of the training, and compare "
        f"student and teacher on them at the end; default: {_SHARE} of recordings, else 0",
    )


def hold_out(
    dataset: KeyframeDataset, share: float | None, is_recording: bool
) -> tuple[KeyframeDataset, KeyframeDataset | None]:
    """Part a data set by --hold-out; see `hold_out_scenes`.

    Args:
        dataset: All keyframes.
        share: The argument, None if it was not given.
        is_recording: Whether the data set was made of recordings.

    Raises:
        ValueError: If the share is out of its range.
    """
    from clip2scene_core.datasets.chosen_scenes import hold_out_scenes

    wanted = (_SHARE if is_recording else 0.0) if share is None else share
    left, held = hold_out_scenes(dataset, wanted)
    if wanted and held is None:
        print(
            "nothing is held out: there is one scene only; record more, or give a shorter "
            "--scene-length",
            file=sys.stderr,
        )
    return left, held


def print_agreement(held_out: KeyframeDataset, arguments: argparse.Namespace) -> None:
    """Compare the finished student with its teacher on keyframes that no training saw."""
    from clip2scene_core.checkpoint import load_checkpoint
    from clip2scene_core.evaluation import evaluate
    from clip2scene_core.evaluation.agreement import RelabelledDataset, format_agreement
    from clip2scene_core.inference.online import load_online_segmenter
    from clip2scene_core.inference.options import OnlineOptions
    from clip2scene_core.labels import SemanticClass
    from clip2scene_core.prompts.prompt_set import EncodedPrompts

    said = load_checkpoint(arguments.out).config.teacher
    options = OnlineOptions(
        map_enabled=False,
        key_smoothing=said.key_smoothing,
        readout=said.readout,
        device=arguments.device,
    )
    student = load_online_segmenter(arguments.out, options=options)
    by_cameras = replace(options, mode="camera", camera_scales=said.scales)
    words = student.vocabulary
    teacher = load_online_segmenter(prompts=words.texts, options=by_cameras, teacher=said.clip)
    teacher.apply(EncodedPrompts(words))
    classes = [
        SemanticClass(name, prompt, (red, green, blue))
        for name, prompt, (red, green, blue) in zip(
            words.names, words.prompts, words.colors.tolist(), strict=True
        )
    ]
    relabelled = RelabelledDataset(held_out, lambda one: _label(teacher, one), classes)
    with tqdm(desc="held out", unit="keyframe", total=len(held_out)) as bar:

        def progress(done: int, total: int) -> None:
            bar.update(done - bar.n)

        report = evaluate(lambda sample: _label(student, sample), relabelled, progress)
    print(
        f"\n{len(held_out)} keyframes that the training did not see: what the student says of "
        f"points that the teacher's cameras see, in percent"
    )
    print(format_agreement(report.confusion, words.prompts))
    print("This is agreement, not accuracy: nobody has labelled these points.")


def _label(segmenter: OnlineSegmenter, sample: Sample) -> Prediction:
    from clip2scene_core.evaluation import Prediction

    return Prediction(segmenter.segment(sample.keyframe, sample.cameras).labels)
