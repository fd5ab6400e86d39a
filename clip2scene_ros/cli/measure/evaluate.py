"""`clip2scene evaluate`: compare labels with 3D labels, without any training on them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from clip2scene_ros.cli.arguments import (
    add_camera_arguments,
    add_dataset_arguments,
    add_split_argument,
    add_threads_argument,
    add_views_argument,
    open_chosen,
)
from clip2scene_ros.cli.measure.predictions import check_writing, write_all, writing
from clip2scene_ros.cli.measure.seen_unseen import (
    add_zeroshot_arguments,
    check_penalty,
    format_groups,
    record_groups,
    stacked_labeller,
)
from clip2scene_ros.cli.recordings import (
    add_recording_arguments,
    require_labels,
    settle_recordings,
)

if TYPE_CHECKING:
    from clip2scene_core.datasets import KeyframeDataset, Sample
    from clip2scene_core.evaluation import Prediction, Report
    from clip2scene_core.inference.online import OnlineSegmenter
    from clip2scene_core.labels import SemanticClass
    from clip2scene_core.zeroshot_splits import ZeroShotSplit

SUMMARY = "compare labels with 3D labels that no training has seen"
_DEFAULT_WORDING = ("logsumexp", "ensemble")
_MODES = ("lidar", "camera", "fused", "untrained")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset_arguments(
        parser, "nuScenes with lidarseg, SemanticKITTI, ScanNet, or recordings with /lidarseg"
    )
    add_split_argument(parser)
    parser.add_argument(
        "--weights", default="small", help="student, small, large, or a fine-tuned network"
    )
    parser.add_argument("--teacher", help="CLIP; by default the one that taught the student")
    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="YAML with the classes and, for each, a prompt or a list of prompts, such as those in "
        "config/; by default the student's own, or those of the data set's classes where the "
        "student's own are of other classes",
    )
    parser.add_argument(
        "--group",
        choices=("logsumexp", "max"),
        default=_DEFAULT_WORDING[0],
        help="how the prompts of a class make one probability: added up, or the best of them",
    )
    parser.add_argument(
        "--template",
        default=_DEFAULT_WORDING[1],
        help="sentence around the file's prompts, with {} in their place; ensemble: 85 sentences",
    )
    parser.add_argument(
        "--modes",
        nargs="+",
        choices=_MODES,
        help="what to compare; by default all. untrained is the student with random weights; a "
        "fine-tuned network has lidar alone",
    )
    add_views_argument(parser)
    add_camera_arguments(parser)
    parser.add_argument(
        "--prompt-denoising",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="MaskCLIP's prompt denoising of camera labels: leave out a class whose probability is "
        "below this in the whole image; 0 is off",
    )
    parser.add_argument(
        "--absent",
        choices=("skip", "one"),
        default="skip",
        help="classes in neither ground truth nor labels: leave them out of the mean, or count "
        "each as 1, as CLIP2Scene's code does",
    )
    parser.add_argument(
        "--range-edges",
        nargs="*",
        type=float,
        default=[10.0, 20.0, 30.0, 50.0],
        metavar="METRES",
        help="distances from the LiDAR; points between two of them are also counted apart",
    )
    parser.add_argument(
        "--write-labels",
        type=Path,
        metavar="DIR",
        help="also write the labels of one mode as the own evaluator of SemanticKITTI or "
        "ScanNet reads them; with --split test, whose labels are not public, nothing else is done",
    )
    add_zeroshot_arguments(parser)
    parser.add_argument("--report", type=Path, metavar="DIR", help="also write JSON and pictures")
    add_recording_arguments(parser)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    add_threads_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.device import use_threads
    from clip2scene_core.zeroshot_splits import find_split

    require_labels(arguments.dataset, arguments.points_topic)
    settle_recordings(arguments)
    is_finetuned = _is_finetuned(arguments)
    is_lidar_alone = is_finetuned or arguments.seen_penalty != 0
    modes = arguments.modes or (["lidar"] if is_lidar_alone else list(_MODES))
    check_penalty(arguments, modes, is_finetuned)
    if arguments.prompts is None and (arguments.group, arguments.template) != _DEFAULT_WORDING:
        raise ValueError("--group and --template are about the prompts of a file; give --prompts")
    use_threads(arguments.threads)
    is_scored = arguments.split != "test"
    dataset = open_chosen(
        arguments,
        arguments.dataset,
        with_labels=is_scored,
        with_images=True if {"camera", "fused"} & {*modes} else (None if is_scored else False),
        with_poses=False,
    )
    check_writing(arguments.write_labels, modes, dataset)
    names = [c.name for c in dataset.classes]
    groups = None if arguments.unseen is None else find_split(arguments.unseen, names)
    if is_finetuned:
        labeller, seen = _load_finetuned(arguments, modes, dataset.classes)
        labellers, seen_in = {"lidar": labeller}, {"lidar": seen}
        vocabulary, grouping = dict.fromkeys(names), None
    else:
        segmenters = {mode: _make_segmenter(mode, arguments, dataset.classes) for mode in modes}
        labellers = {
            mode: _labeller(segmenter, dataset.classes) for mode, segmenter in segmenters.items()
        }
        words = next(iter(segmenters.values())).vocabulary
        vocabulary, grouping = dict(zip(words.names, words.prompts, strict=True)), words.grouping
        seen_in = {mode: _seen_scenes(mode, arguments) for mode in modes}
        if groups is not None and arguments.seen_penalty:
            labellers["lidar"] = stacked_labeller(arguments, words, dataset.classes, groups)
    if not is_scored:
        write_all(labellers[modes[0]], dataset, arguments.write_labels)
        return
    reports = {
        mode: _evaluate(mode, predict, seen_in[mode], arguments, dataset)
        for mode, predict in writing(labellers, dataset, arguments.write_labels).items()
    }
    for mode, report in reports.items():
        print(f"\n{mode}\n{report.format_report(names, arguments.absent)}")
    if len(reports) > 1:
        print(f"\n{_compare(reports, names, arguments.absent)}")
    if groups is not None:
        print(f"\n{format_groups(reports, names, groups, arguments.absent)}")
    missing = [name for name in names if name not in vocabulary]
    if missing:
        print(f"\nno prompt for {', '.join(missing)}: none of their points can be right")
    if arguments.report is not None:
        _write_report(arguments, dataset, vocabulary, grouping, reports, labellers, groups)


def _make_segmenter(
    mode: str, arguments: argparse.Namespace, classes: Sequence[SemanticClass]
) -> OnlineSegmenter:
    from clip2scene_core.checkpoint import load_checkpoint, untrained_checkpoint
    from clip2scene_core.evaluation import are_classes
    from clip2scene_core.inference.online import OnlineSegmenter, load_online_segmenter
    from clip2scene_core.inference.options import OnlineOptions
    from clip2scene_core.inference.segmenter import make_segmenter
    from clip2scene_core.prompts.prompt_set import PromptSet, load_prompt_set
    from clip2scene_core.prompts.text_encoder import TextEncoder

    checkpoint = load_checkpoint(arguments.weights)
    teacher = arguments.teacher or checkpoint.config.teacher.clip
    options = OnlineOptions(
        mode="lidar" if mode == "untrained" else mode,
        min_range_m=0.0,
        ego_radius_m=0.0,
        max_range_m=1e4,
        map_enabled=False,
        ground_smoothing=0.0,  # scenes have sensors of their own, and keyframes lie apart
        camera_scales=tuple(arguments.camera_scales),
        key_smoothing=not arguments.no_key_smoothing,
        readout=arguments.readout,
        window=arguments.window,
        window_step=arguments.window_step,
        refinement=arguments.refinement,
        prompt_denoising=arguments.prompt_denoising,
        device=arguments.device,
        views=1 if mode == "camera" else arguments.views,
    )
    if mode == "untrained":
        encoder = TextEncoder(teacher, arguments.device, taught_with=checkpoint.vocabulary)
        student = make_segmenter(untrained_checkpoint(checkpoint), options)
        segmenter = OnlineSegmenter(options, checkpoint.vocabulary, encoder, student)
    else:
        named = teacher if mode == "camera" else arguments.teacher
        segmenter = load_online_segmenter(arguments.weights, options=options, teacher=named)
    if arguments.prompts is not None:
        prompt_set = load_prompt_set(arguments.prompts)
        prompt_set = replace(prompt_set, grouping=arguments.group, template=arguments.template)
        segmenter.apply(segmenter.encode(prompt_set))
    elif not are_classes(segmenter.vocabulary.names, classes):
        prompts, names = zip(*((c.prompt, c.name) for c in classes), strict=True)
        segmenter.apply(segmenter.encode(PromptSet(prompts, names)))
    return segmenter


def _is_finetuned(arguments: argparse.Namespace) -> bool:
    from clip2scene_core.checkpoint import SHIPPED, is_finetuned

    return arguments.weights not in SHIPPED and is_finetuned(Path(arguments.weights))


def _load_finetuned(
    arguments: argparse.Namespace, modes: Sequence[str], classes: Sequence[SemanticClass]
) -> tuple[Callable[[Sample], Prediction], Sequence[str]]:
    """Load a fine-tuned network: its labeller, and the scenes that it was trained on."""
    from clip2scene_core.checkpoint import load_finetuned
    from clip2scene_core.evaluation import Prediction, class_of_label
    from clip2scene_core.inference.classifier_segmenter import ClassifierSegmenter

    if list(modes) != ["lidar"] or arguments.prompts or arguments.teacher:
        raise ValueError(
            f"{arguments.weights} is fine-tuned: it labels in mode lidar, with its own classes; "
            f"leave out --prompts, --teacher and other --modes"
        )
    checkpoint = load_finetuned(Path(arguments.weights))
    segmenter = ClassifierSegmenter(
        checkpoint,
        arguments.device,
        min_range_m=0.0,
        ego_radius_m=0.0,
        max_range_m=1e4,
        views=arguments.views,
    )
    class_of = class_of_label(segmenter.class_names, classes)

    def predict(sample: Sample) -> Prediction:
        segmentation = segmenter.segment(sample.keyframe.points)
        return Prediction(class_of[segmentation.labels], segmentation.scores)

    return predict, checkpoint.scene_tokens


def _seen_scenes(mode: str, arguments: argparse.Namespace) -> Sequence[str]:
    from clip2scene_core.checkpoint import load_checkpoint

    return () if mode == "camera" else load_checkpoint(arguments.weights).scene_tokens


def _labeller(
    segmenter: OnlineSegmenter, classes: Sequence[SemanticClass]
) -> Callable[[Sample], Prediction]:
    from clip2scene_core.evaluation import Prediction, class_of_label

    class_of = class_of_label(segmenter.vocabulary.names, classes)

    def predict(sample: Sample) -> Prediction:
        cloud = segmenter.segment(sample.keyframe, sample.cameras)
        return Prediction(class_of[cloud.labels], cloud.scores)

    return predict


def _evaluate(
    mode: str,
    predict: Callable[[Sample], Prediction],
    seen_scenes: Sequence[str],
    arguments: argparse.Namespace,
    dataset: KeyframeDataset,
) -> Report:
    from clip2scene_core.evaluation import evaluate

    with tqdm(desc=mode, unit="keyframe", total=len(dataset)) as bar:

        def progress(done: int, total: int) -> None:
            bar.update(done - bar.n)

        return evaluate(
            predict,
            dataset,
            progress,
            seen_scenes,
            arguments.range_edges,
        )


def _compare(reports: dict[str, Report], names: Sequence[str], absent: str) -> str:
    """Write the IoU in percent: one line a class or part of the points, one column a mode."""
    columns = reports.values()
    rows = [("IoU [%]", list(reports))]
    for index, name in enumerate(names):
        rows.append((name, [_percent(report.confusion.iou()[index]) for report in columns]))
    rows.append(("mean", [_percent(report.confusion.mean_iou(absent)) for report in columns]))
    # The points are the same for all modes, and so are the parts of them.
    by_title = zip(*(report.parts() for report in columns), strict=True)
    for parts in by_title:
        rows.append((f"mean {parts[0][0]}", [_percent(part.mean_iou(absent)) for _, part in parts]))
    errors = [_percent(report.calibration.expected_error()) for report in columns]
    rows.append(("calibration error", errors))
    width = max(len(title) for title, _ in rows)
    return "\n".join(
        f"{title:<{width}}" + "".join(f"{value:>11}" for value in values) for title, values in rows
    )


def _write_report(
    arguments: argparse.Namespace,
    dataset: KeyframeDataset,
    vocabulary: Mapping[str, str | None],
    grouping: str | None,
    reports: dict[str, Report],
    labellers: dict[str, Callable[[Sample], Prediction]],
    groups: ZeroShotSplit | None,
) -> None:
    from clip2scene_core.visualization.evaluation_files import (
        draw_charts,
        draw_keyframes,
        write_json,
    )

    roots = [arguments.dataset] if isinstance(arguments.dataset, Path) else arguments.dataset
    setting: dict[str, Any] = {
        "dataset": " ".join(map(str, roots)),
        "scenes": {scene.token: scene.name for scene in dataset.scenes},
        "weights": arguments.weights,
        "teacher": arguments.teacher,
        "prompts": dict(vocabulary),
        "group": grouping,
        "camera_scales": arguments.camera_scales,
        "views": arguments.views,
        "key_smoothing": not arguments.no_key_smoothing,
        "readout": arguments.readout,
        "window": [arguments.window, arguments.window_step],
        "refinement": arguments.refinement,
        "prompt_denoising": arguments.prompt_denoising,
    }
    names = [c.name for c in dataset.classes]
    if groups is not None:
        setting["zeroshot"] = record_groups(arguments, reports, names, groups)
    arguments.report.mkdir(parents=True, exist_ok=True)
    paths = [write_json(arguments.report, setting, names, reports, arguments.absent)]
    paths += draw_charts(arguments.report, names, reports, arguments.absent)
    paths += draw_keyframes(arguments.report, dataset, reports, labellers)
    print()
    for path in paths:
        print(path)


def _percent(iou: float) -> str:
    return "absent" if iou != iou else f"{100 * iou:.1f}"  # NaN differs from itself
