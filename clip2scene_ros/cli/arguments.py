"""Arguments that commands share, and the segmenter that they describe."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip2scene_core.config.sections import READOUTS

if TYPE_CHECKING:
    from clip2scene_core.config.augmentation import AugmentationConfig
    from clip2scene_core.config.pretrain import PretrainConfig
    from clip2scene_core.datasets import KeyframeDataset
    from clip2scene_core.inference.online import OnlineSegmenter


class RenamedOption(argparse.Action):
    """An option of former versions: typing it is an error that names the new one.

    Args:
        option_strings: What it was called.
        dest: As argparse gives it.
        new: What it is called now.
    """

    def __init__(self, option_strings: list[str], dest: str, new: str) -> None:
        super().__init__(
            option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        self._new = new

    def __call__(self, parser: argparse.ArgumentParser, *_values: Any) -> None:
        """Refuse the option.

        Raises:
            SystemExit: Always, with exit code 2.
        """
        parser.error(f"{self.option_strings[0]} is called {self._new} now")


def add_segmenter_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare everything that decides how points are labelled."""
    parser.add_argument(
        "--mode",
        choices=("lidar", "camera", "fused"),
        default="lidar",
        help="lidar: the student alone; camera: CLIP projected on the points; fused: both",
    )
    parser.add_argument(
        "--prompts", nargs="+", metavar="WORDS", help='for example: car road "traffic cone"'
    )
    parser.add_argument("--weights", default="small", help="student checkpoint, small or large")
    parser.add_argument(
        "--min-confidence",
        type=float,
        default=0.0,
        metavar="SCORE",
        help="leave points with a lower score unlabelled, such as objects that no prompt names",
    )
    add_views_argument(parser)
    parser.add_argument("--teacher", help="CLIP; by default the one that taught the student")
    add_camera_arguments(parser)
    parser.add_argument(
        "--level",
        choices=("auto", "on", "off"),
        default="auto",
        help="turn clouds by extrinsics and ground until z is up; auto: as the student was trained",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    add_threads_argument(parser)


def add_views_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --views."""
    parser.add_argument(
        "--views",
        type=int,
        default=1,
        metavar="N",
        help="let the student look at each cloud N times, turned and mirrored: better labels, "
        "N times as long",
    )


def add_camera_arguments(parser: argparse.ArgumentParser, scales: str = "--camera-scales") -> None:
    """Declare how CLIP labels pixels: --no-key-smoothing, --readout, an option for the scales.

    Args:
        parser: Parser of the command.
        scales: Name of the option for the scales.
    """
    parser.add_argument(
        "--no-key-smoothing",
        action="store_true",
        help="label pixels without MaskCLIP's key smoothing: in half the time, less well",
    )
    parser.add_argument(
        "--readout",
        choices=READOUTS,
        default=READOUTS[0],
        help="what stands for the last attention of a CLIP with a ViT",
    )
    parser.add_argument(
        "--window",
        type=int,
        default=0,
        metavar="PX",
        help="edge of windows that slide over an image, pixels after resizing; 0: no windows",
    )
    parser.add_argument(
        "--window-step",
        type=int,
        default=0,
        metavar="PX",
        help="from one window to the next; 0: half of it",
    )
    parser.add_argument(
        "--refinement",
        type=int,
        default=0,
        metavar="N",
        help="iterations of a refinement by the colors of the image; 0: none",
    )
    parser.add_argument(
        scales,
        type=float,
        nargs="+",
        default=[1.0],
        metavar="S",
        help="multiples of CLIP's image height at which images are read; their embeddings are "
        "averaged (default: 1)",
    )


def add_dataset_arguments(
    parser: argparse.ArgumentParser,
    dataset: str,
    is_optional: bool = False,
    has_several: bool = False,
) -> None:
    """Declare a data set, its version, and a choice of its scenes.

    Args:
        parser: Parser of the command.
        dataset: Help for the data set.
        is_optional: Whether the command can do without, as to print a configuration.
        has_several: Whether there may be several; `dataset` is then a list.
    """
    one, several = ("?", "*") if is_optional else (None, "+")
    parser.add_argument("dataset", type=Path, nargs=several if has_several else one, help=dataset)
    parser.add_argument("--version", help="version folder of nuScenes, if there are several")
    parser.add_argument(
        "--cameras",
        nargs="+",
        metavar="CHANNEL",
        help="cameras of a data set in nuScenes' format that are not called as nuScenes' six",
    )
    parser.add_argument(
        "--scenes",
        type=Path,
        help="text file with the names of the scenes to use, one a line; # begins a comment",
    )


def add_split_argument(parser: argparse.ArgumentParser) -> None:
    """Declare what commands that take a data set of any layout have more; see `open_chosen`."""
    parser.add_argument(
        "--split",
        help="official split in place of --scenes: train, val or test; of nuScenes also mini_train "
        "and mini_val",
    )
    add_intensity_argument(parser)


def add_intensity_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --intensity-scale of a data set; None stands for the layout's."""
    parser.add_argument(
        "--intensity-scale",
        type=float,
        metavar="NUMBER",
        help="largest intensity of the data set's LiDAR; by default 255 in nuScenes' layout, 1 in "
        "SemanticKITTI's",
    )


def open_chosen(
    arguments: argparse.Namespace,
    root: Path | Sequence[Path],
    with_labels: bool = False,
    with_images: bool | None = True,
    with_poses: bool = True,
) -> KeyframeDataset:
    """Open a data set of any layout, with the version, scenes and split that the arguments name.

    Args:
        arguments: Of `add_dataset_arguments` and `add_split_argument`.
        root: Folder of the data set, or several that are opened as one.
        with_labels: See `open_dataset`.
        with_images: See `open_dataset`.
        with_poses: See `open_dataset`.

    Raises:
        DatasetError: See `open_dataset` and `JoinedDataset`.
        ValueError: If scenes are chosen of several data sets.
    """
    from clip2scene_core.datasets import JoinedDataset, open_dataset
    from clip2scene_core.datasets.nuscenes_format.scene_lists import read_scene_list

    roots = [root] if isinstance(root, Path) else root
    for option in ("scenes", "split"):
        if getattr(arguments, option) is not None and len(roots) > 1:
            raise ValueError(
                f"--{option} chooses scenes of one data set, got {len(roots)} data sets; leave "
                f"--{option} out, or name one data set or recording"
            )
    datasets = [
        open_dataset(
            one,
            arguments.version,
            read_scene_list(arguments.scenes) if arguments.scenes else None,
            arguments.split,
            with_labels=with_labels,
            with_images=with_images,
            with_poses=with_poses,
            cameras=getattr(arguments, "cameras", None),
            intensity_scale=arguments.intensity_scale,
        )
        for one in roots
    ]
    return datasets[0] if len(datasets) == 1 else JoinedDataset(datasets)


def open_joined(
    arguments: argparse.Namespace, config: PretrainConfig, with_labels: bool = False
) -> KeyframeDataset:
    """Open the data sets that a training with images was given, as one; see `open_chosen`.

    Args:
        arguments: Of `add_dataset_arguments` with several data sets, and `add_split_argument`.
        config: Of the training, which decides whether there must be poses.
        with_labels: See `open_dataset`.

    Raises:
        ValueError: If a data set cannot be opened, or scenes are chosen of several.
    """
    with_poses = config.sweeps.count > 1 or config.consensus.voxel_size_m > 0
    return open_chosen(arguments, arguments.dataset, with_labels, with_poses=with_poses)


def make_segmenter(arguments: argparse.Namespace) -> OnlineSegmenter:
    """Build the segmenter.

    Args:
        arguments: Of `add_segmenter_arguments`. `online_options` holds further fields of
            OnlineOptions and `text_embeddings` the file of a TextTable, where a parameter file set
            them.

    Raises:
        ValueError: If weights, teacher or prompts cannot be used.
    """
    # Torch and CLIP take seconds to import: `clip2scene --help` must not wait for them.
    from clip2scene_core.device import use_threads
    from clip2scene_core.inference.online import load_online_segmenter
    from clip2scene_core.inference.options import OnlineOptions
    from clip2scene_ros.labelling import LEVELS

    use_threads(arguments.threads)
    options = OnlineOptions(
        mode=arguments.mode,
        min_confidence=arguments.min_confidence,
        views=arguments.views,
        camera_scales=tuple(arguments.camera_scales),
        key_smoothing=not arguments.no_key_smoothing,
        readout=arguments.readout,
        window=arguments.window,
        window_step=arguments.window_step,
        refinement=arguments.refinement,
        device=arguments.device,
        precision=arguments.precision,
        level=LEVELS[arguments.level],
        **getattr(arguments, "online_options", {}),
    )
    segmenter = load_online_segmenter(
        arguments.weights,
        arguments.prompts,
        options=options,
        teacher=arguments.teacher,
        texts=getattr(arguments, "text_embeddings", None),
    )
    if segmenter.reads_colors:
        # A depth camera sees what is near, and no vehicle below itself.
        near = replace(options, min_range_m=0.0, ego_radius_m=0.0)
        segmenter.apply(segmenter.encoded_prompts, near)
    return segmenter


def add_config_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Declare --config and --set.

    Args:
        parser: Of the command.
        example: KEY=VALUE that the configuration knows.
    """
    parser.add_argument("--config", type=Path, help="YAML file that overrides the defaults")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"override one value, for example {example}; may be repeated",
    )


def add_training_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Declare what is the same for every training.

    Args:
        parser: Of the command.
        example: KEY=VALUE that its configuration knows.
    """
    add_config_arguments(parser, example)
    parser.add_argument(
        "--print-config", action="store_true", help="print the resolved configuration and stop"
    )
    parser.add_argument("--out", type=Path, help="checkpoint (.safetensors)")
    parser.add_argument(
        "--log", type=Path, metavar="DIR", help="write steps.csv there, and TensorBoard's events"
    )
    parser.add_argument("--save-every", type=int, default=500, help="steps between two states")
    parser.add_argument(
        "--workers",
        type=int,
        help="processes that load keyframes while others train; by default 1 where a processor and "
        "a gigabyte of shared memory are to spare, else 0",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, or cuda:N")
    parser.add_argument(
        "--processes", type=int, default=1, help="processes on this machine, one GPU each"
    )
    parser.add_argument("--nodes", type=int, default=1, help="machines, under torchrun or SLURM")
    add_threads_argument(parser)


def check_training_arguments(arguments: argparse.Namespace) -> None:
    """Refuse a training that could not end well.

    Raises:
        ValueError: If there is no data set, or the checkpoint cannot be written where it should.
    """
    if not arguments.dataset or arguments.out is None:
        raise ValueError("name a data set and --out; --print-config alone needs neither")
    if arguments.out.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, got {arguments.out}")
    if arguments.out.exists():
        raise ValueError(f"{arguments.out} exists; choose another --out or remove it")


def count_workers(arguments: argparse.Namespace, augmentation: AugmentationConfig | None) -> int:
    """Count the processes that load keyframes: as many as were asked for, or as fit.

    Args:
        arguments: Of a training.
        augmentation: Random changes of clouds and images; None if no image is read.
    """
    if arguments.workers is not None:
        return int(arguments.workers)
    changes_images = augmentation is not None and (
        augmentation.image_flip or augmentation.image_crop
    )
    if changes_images and arguments.device != "cpu":
        return 0  # the teacher embeds the changed images, and a worker cannot use the GPU
    from clip2scene_core.training.shared_memory import spare_workers

    return spare_workers(arguments.processes)


def add_threads_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --threads."""
    parser.add_argument(
        "--threads", type=int, default=0, help="torch's threads; 0 takes half of the processors"
    )
