"""What only a rendered world can tell: the class of every pixel, the thing behind every point.

Files beside those of nuScenes' format, which no nuScenes reader looks at:

- `class_images/{sample token}/{CHANNEL}.png`: (H, W) uint8 class of NUSCENES_CLASSES, IGNORE_LABEL
  for the sky and for what has no class; the size of the picture, pixel by pixel what it shows.
- `objects/{sample token}.npz`: `index` (N,) int32, `word` (T,) and `color` (T,) str.
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
class SceneObjects:
    """The things of a scene, and which of them each point of a keyframe's sweep hit.

    Attributes:
        index: (N,) int32 into words and colours; -1 where a point hit the ground, the ego vehicle
            or nothing.
        words: What a caption may call each thing, for example "van" or "brick wall".
        colors: The main colour of each thing, "" where it has none worth naming.
    """

    index: NDArray[np.int32]
    words: tuple[str, ...]
    colors: tuple[str, ...]


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
            raise _no_ground_truth(path) from None
        except OSError as error:
            raise DatasetError(f"{path} is no readable picture: {error}") from None
        if image.shape != view.image.shape[:2] or image.dtype != np.uint8:
            raise DatasetError(
                f"{path} is {image.shape} {image.dtype}, but the view {view.name} is "
                f"{view.image.shape[:2]}; it belongs to another data set"
            )
        images.append(image)
    return images


def write_objects(root: Path, sample_token: str, objects: SceneObjects) -> None:
    """Write which thing each point of a keyframe's sweep hit.

    Args:
        root: The data set's folder.
        sample_token: The keyframe.
        objects: What to write.
    """
    path = _objects_path(root, sample_token)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        index=objects.index,
        word=np.array(objects.words, dtype=np.str_),
        color=np.array(objects.colors, dtype=np.str_),
    )


def read_objects(root: Path, sample: Sample) -> SceneObjects:
    """Read which thing each point of a keyframe's sweep hit.

    Args:
        root: The data set's folder.
        sample: The keyframe.

    Returns:
        The things; `index` has one entry per point of `sample.keyframe`.

    Raises:
        DatasetError: If the data set was written without truth, or the file does not fit the sweep.
    """
    path = _objects_path(root, sample.token)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            index, words, colors = arrays["index"], arrays["word"], arrays["color"]
    except FileNotFoundError:
        raise _no_ground_truth(path) from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} is no readable file of objects: {error}") from None
    num_points = len(sample.keyframe.points)
    if len(index) != num_points:
        raise DatasetError(
            f"{path} tells of {len(index)} points, but the keyframe's sweep has {num_points}"
        )
    return SceneObjects(index.astype(np.int32), tuple(words.tolist()), tuple(colors.tolist()))


def _class_image_path(root: Path, sample_token: str, channel: str) -> Path:
    return root / "class_images" / sample_token / f"{channel}.png"


def _objects_path(root: Path, sample_token: str) -> Path:
    return root / "objects" / f"{sample_token}.npz"


def _no_ground_truth(path: Path) -> DatasetError:
    if path.parent.name == "objects" and (path.parents[1] / "things").is_dir():
        return DatasetError(
            f"{path.parents[1]} was written by an older version, which called objects/ things/; "
            f"write the world again"
        )
    return DatasetError(
        f"{path} is missing: the data set was written without ground truth; write a synthetic "
        f"world with `clip2scene world --ground-truth` or `--benchmark`"
    )
