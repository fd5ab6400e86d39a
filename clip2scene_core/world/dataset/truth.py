"""What only a rendered world can tell: the class of every pixel, the thing behind every point.

Files beside those of nuScenes' format, which no nuScenes reader looks at:

- `class_images/{sample token}/{CHANNEL}.png`: (H, W) uint8 class of NUSCENES_CLASSES, IGNORE_LABEL
  for the sky and for what has no class; the size of the picture, pixel by pixel what it shows.
- `things/{sample token}.npz`: `index` (N,) int32, `word` (T,) and `colour` (T,) str.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.sample import DatasetError, Sample


@dataclass(frozen=True)
class Things:
    """The things of a scene, and which of them each point of a keyframe's sweep hit.

    Attributes:
        index: (N,) int32 into words and colours; -1 where a point hit the ground, the ego vehicle
            or nothing.
        words: What a caption may call each thing, for example "van" or "brick wall".
        colours: The main colour of each thing, "" where it has none worth naming.
    """

    index: NDArray[np.int32]
    words: tuple[str, ...]
    colours: tuple[str, ...]


def write_class_image(
    root: Path, sample_token: str, channel: str, labels: NDArray[np.uint8]
) -> None:
    """Write the class image of one picture.

    Args:
        root: The data set's folder.
        sample_token: The keyframe.
        channel: nuScenes' name of the camera, for example "CAM_FRONT".
        labels: (H, W) uint8.
    """
    path = _class_image_path(root, sample_token, channel)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)


def read_class_images(root: Path, sample: Sample) -> list[NDArray[np.uint8]]:
    """Read the class images of a keyframe's pictures.

    Args:
        root: The data set's folder.
        sample: The keyframe, with its camera views.

    Returns:
        One (H, W) uint8 per view, in the order of `sample.cameras`, labels of NUSCENES_CLASSES,
        IGNORE_LABEL for the sky.

    Raises:
        DatasetError: If the data set was written without truth, or an image does not fit its view.
    """
    images = []
    for view in sample.cameras:
        path = _class_image_path(root, sample.token, view.name.upper())
        try:
            with Image.open(path) as picture:
                image = np.array(picture)
        except FileNotFoundError:
            raise _no_truth(path) from None
        except OSError as error:
            raise DatasetError(f"{path} is no readable picture: {error}") from None
        if image.shape != view.image.shape[:2] or image.dtype != np.uint8:
            raise DatasetError(
                f"{path} is {image.shape} {image.dtype}, but the view {view.name} is "
                f"{view.image.shape[:2]}; it belongs to another data set"
            )
        images.append(image)
    return images


def write_things(root: Path, sample_token: str, things: Things) -> None:
    """Write which thing each point of a keyframe's sweep hit.

    Args:
        root: The data set's folder.
        sample_token: The keyframe.
        things: What to write.
    """
    path = _things_path(root, sample_token)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        index=things.index,
        word=np.array(things.words, dtype=np.str_),
        colour=np.array(things.colours, dtype=np.str_),
    )


def read_things(root: Path, sample: Sample) -> Things:
    """Read which thing each point of a keyframe's sweep hit.

    Args:
        root: The data set's folder.
        sample: The keyframe.

    Returns:
        The things; `index` has one entry per point of `sample.keyframe`.

    Raises:
        DatasetError: If the data set was written without truth, or the file does not fit the sweep.
    """
    path = _things_path(root, sample.token)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            index, words, colours = arrays["index"], arrays["word"], arrays["colour"]
    except FileNotFoundError:
        raise _no_truth(path) from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} is no readable file of things: {error}") from None
    num_points = len(sample.keyframe.points)
    if len(index) != num_points:
        raise DatasetError(
            f"{path} tells of {len(index)} points, but the keyframe's sweep has {num_points}"
        )
    return Things(index.astype(np.int32), tuple(words.tolist()), tuple(colours.tolist()))


def _class_image_path(root: Path, sample_token: str, channel: str) -> Path:
    return root / "class_images" / sample_token / f"{channel}.png"


def _things_path(root: Path, sample_token: str) -> Path:
    return root / "things" / f"{sample_token}.npz"


def _no_truth(path: Path) -> DatasetError:
    return DatasetError(
        f"{path} is missing: the data set was written without truth; write an embedded world with "
        f"`clip2scene world --truth` or `--benchmark`"
    )
