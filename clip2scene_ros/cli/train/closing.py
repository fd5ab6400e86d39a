"""The end of a training on recordings: agreement, coverage, pictures, what to record more of."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from tqdm import tqdm

from clip2scene_ros.cli.examination import print_findings

if TYPE_CHECKING:
    from clip2scene_core.checkpoint import Checkpoint
    from clip2scene_core.datasets import KeyframeDataset
    from clip2scene_core.doctor.finding import Finding
    from clip2scene_core.evaluation import ConfusionMatrix, Prediction
    from clip2scene_core.inference.online import OnlineSegmenter
    from clip2scene_core.sample import Sample
    from clip2scene_core.training.pretrain.label_counts import LabelCounts
    from clip2scene_core.visualization.word_pictures import WordPictures

_CAVEAT: Final = "This is agreement, not accuracy: nobody has labelled these points."


def report_training(
    trained: KeyframeDataset, held_out: KeyframeDataset | None, arguments: argparse.Namespace
) -> None:
    """Print what a finished student learned and did not, and write it as a page beside it.

    Args:
        trained: The keyframes that the training saw.
        held_out: Those that it did not see; None if there are none, and nothing is compared.
        arguments: With the checkpoint and the device.
    """
    from clip2scene_core.checkpoint import load_checkpoint
    from clip2scene_core.doctor.words import check_agreement
    from clip2scene_core.evaluation.agreement import format_agreement
    from clip2scene_core.training.pretrain.label_counts import LabelCounts
    from clip2scene_core.visualization.word_pictures import WordPictures

    checkpoint = load_checkpoint(arguments.out)
    words = checkpoint.vocabulary.prompts
    record = checkpoint.record.get("labels")
    counts = None if record is None else LabelCounts.from_record(record)
    findings = _examine_training(checkpoint, counts, trained)
    pictures, confusion = WordPictures(checkpoint.vocabulary), None
    if held_out is not None:
        confusion = _compare(checkpoint, held_out, arguments, pictures)
        findings += check_agreement(words, confusion)
        print(
            f"\n{len(held_out)} keyframes that the training did not see: what the student says of "
            f"points that the teacher's cameras see, in percent"
        )
        print(format_agreement(confusion, words))
        print(_CAVEAT)
    print("\nWhat was recorded, and what to record more of:")
    print_findings(findings)
    page = arguments.out.with_suffix(".report.html")
    _write_page(page, checkpoint, counts, findings, confusion, pictures)
    print(f"report with pictures: {page}")


def _examine_training(
    checkpoint: Checkpoint, counts: LabelCounts | None, trained: KeyframeDataset
) -> list[Finding]:
    """How the robot moved and, where labels were counted, what they were on."""
    from clip2scene_core.doctor.coverage import check_coverage
    from clip2scene_core.doctor.motion import check_motion, read_tracks
    from clip2scene_core.doctor.words import check_words

    tracks, _ = read_tracks(trained)
    findings = check_motion(list(tracks.values()))
    if counts is not None:
        words = checkpoint.vocabulary
        of_words = counts.of_labels(words.label_of_text.numpy())
        findings += check_coverage(counts, len(trained))
        findings += check_words(words.prompts, *of_words, counts.num_keyframes)
    return findings


def _compare(
    checkpoint: Checkpoint,
    held_out: KeyframeDataset,
    arguments: argparse.Namespace,
    pictures: WordPictures,
) -> ConfusionMatrix:
    """Label keyframes by student and teacher; the teacher's label comes first."""
    from clip2scene_core.evaluation import Prediction, evaluate
    from clip2scene_core.evaluation.agreement import RelabelledDataset
    from clip2scene_core.inference.online import load_online_segmenter
    from clip2scene_core.inference.options import OnlineOptions
    from clip2scene_core.labels import SemanticClass
    from clip2scene_core.prompts.prompt_set import EncodedPrompts

    said = checkpoint.config.teacher
    options = OnlineOptions(
        map_enabled=False,
        ground_smoothing=0.0,  # keyframes lie apart, and may be of several recordings
        key_smoothing=said.key_smoothing,
        readout=said.readout,
        window=said.window,
        window_step=said.window_step,
        refinement=said.refinement,
        device=arguments.device,
    )
    student = load_online_segmenter(arguments.out, options=options)
    by_cameras = replace(options, mode="camera", camera_scales=said.scales)
    words = student.vocabulary
    teacher = load_online_segmenter(prompts=words.texts, options=by_cameras, teacher=said.clip)
    teacher.apply(EncodedPrompts(words))
    of_teacher: dict[str, Prediction] = {}

    def ask_teacher(sample: Sample) -> Prediction:
        of_teacher[sample.token] = _label(teacher, sample)
        return of_teacher[sample.token]

    def ask_student(sample: Sample) -> Prediction:
        labels = _label(student, sample).labels
        pictures.add(sample, of_teacher.pop(sample.token).labels, labels)
        return Prediction(labels)

    classes = [
        SemanticClass(name, prompt, (red, green, blue))
        for name, prompt, (red, green, blue) in zip(
            words.names, words.prompts, words.colors.tolist(), strict=True
        )
    ]
    with tqdm(desc="held out", unit="keyframe", total=len(held_out)) as bar:

        def progress(done: int, total: int) -> None:
            bar.update(done - bar.n)

        report = evaluate(ask_student, RelabelledDataset(held_out, ask_teacher, classes), progress)
    return report.confusion


def _label(segmenter: OnlineSegmenter, sample: Sample) -> Prediction:
    from clip2scene_core.evaluation import Prediction
    from clip2scene_core.labels import IGNORE_LABEL

    if segmenter.options.mode == "camera" and not sample.cameras:
        return Prediction(np.full(len(sample.keyframe.points), IGNORE_LABEL, dtype=np.uint8))
    return Prediction(segmenter.segment(sample.keyframe, sample.cameras).labels)


def _write_page(
    page: Path,
    checkpoint: Checkpoint,
    counts: LabelCounts | None,
    findings: list[Finding],
    confusion: ConfusionMatrix | None,
    pictures: WordPictures,
) -> None:
    """Write numbers, advice and pictures as one file."""
    from clip2scene_core.doctor.finding import Level
    from clip2scene_core.evaluation.agreement import tell_agreement
    from clip2scene_core.visualization.closing_page import WordRow, write_closing_page

    words = checkpoint.vocabulary
    columns: list[str] = []
    cells: list[list[str]] = [[] for _ in words.names]
    if counts is not None:
        labels, keyframes = counts.of_labels(words.label_of_text.numpy())
        columns += ["share of labels [%]", "keyframes"]
        for cell, count, number in zip(cells, labels, keyframes, strict=True):
            cell += [f"{100 * count / max(1, labels.sum()):.2f}", f"{number}"]
    if confusion is not None:
        columns += ["held out: share [%]", "same [%]", "otherwise mostly"]
        for label, cell in enumerate(cells):
            cell += tell_agreement(confusion, words.prompts, label)
    rows = [
        WordRow(prompt, (red, green, blue), tuple(cell), pictures.draw_word(label))
        for label, (prompt, (red, green, blue), cell) in enumerate(
            zip(words.prompts, words.colors.tolist(), cells, strict=True)
        )
    ]
    summary = [one.text for one in findings if one.level is Level.OK]
    write_closing_page(
        page,
        f"What {page.name.removesuffix('.report.html')} learned",
        summary if confusion is None else [*summary, _CAVEAT],
        [(one.text, one.remedy) for one in findings if one.level is not Level.OK],
        columns,
        rows,
        pictures.draw_map(),
    )
