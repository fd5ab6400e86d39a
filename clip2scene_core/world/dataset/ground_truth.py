"""Ground truth of synthetic data: the class of every pixel and the object of every point.

The files are not part of nuScenes' format; nuScenes readers ignore them:

- `class_images/{sample token}/{CHANNEL}.png`: (H, W) uint8 labels of NUSCENES_CLASSES,
  IGNORE_LABEL for the sky and for pixels without a class; it has the size of the camera image.
- `objects/{sample token}.npz`: `index` (N,) int32, `word` (T,) and `color` (T,) str, for N points
  and T objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.files.arrays import read_npz
from clip2scene_core.files.damage import name_damage, one_line
from clip2scene_core.files.pictures import open_picture
from clip2scene_core.sample import DatasetError, Sample


@dataclass(frozen=True)
class SceneObjects:
    """The T objects of a scene, and the object that each of N points of a sweep hit.

    Attributes:
        index: (N,) int32 index into words and colors; -1 for a point on the ground or the ego
            vehicle, or a stray point.
        words: T words for captions, for example "van" or "brick wall".
        colors: T names of main colours, "" for an object without a colour name.
    """

    index: NDArray[np.int32]
    words: tuple[str, ...]
    colors: tuple[str, ...]


def write_class_image(
    root: Path, sample_token: str, channel: str, labels: NDArray[np.uint8]
) -> None:
    """Write the class image of one camera image.

    Args:
        root: Folder of the data set.
        sample_token: Token of the keyframe.
        channel: nuScenes' name of the camera, for example "CAM_FRONT".
        labels: (H, W) uint8 labels of NUSCENES_CLASSES or IGNORE_LABEL.
    """
    path = _class_image_path(root, sample_token, channel)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)


def read_class_images(root: Path, sample: Sample) -> list[NDArray[np.uint8]]:
    """Read the class images of a keyframe.

    Args:
        root: Folder of the data set.
        sample: The keyframe, with its camera views.

    Returns:
        One (H, W) uint8 per view, in the order of `sample.cameras`: labels of NUSCENES_CLASSES,
        IGNORE_LABEL for the sky.

    Raises:
        DatasetError: If the data set was written without ground truth, or an image does not fit its
            view.
    """
    images = []
    for view in sample.cameras:
        path = _class_image_path(root, sample.token, view.name.upper())
        try:
            with open_picture(path) as picture:
                image = np.array(picture)
        except FileNotFoundError:
            raise _no_ground_truth(path) from None
        except (OSError, ValueError, SyntaxError) as error:
            raise DatasetError(f"{path} is no readable picture: {one_line(error)}") from error
        if image.shape != view.image.shape[:2] or image.dtype != np.uint8:
            raise DatasetError(
                f"{path} is {image.shape} {image.dtype}, but the view {view.name} is "
                f"{view.image.shape[:2]}; it belongs to another data set"
            )
        images.append(image)
    return images


def write_objects(root: Path, sample_token: str, objects: SceneObjects) -> None:
    """Write the object that each point of a keyframe's sweep hit.

    Args:
        root: Folder of the data set.
        sample_token: Token of the keyframe.
        objects: The objects, with an index for each point.
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
    """Read the object that each point of a keyframe's sweep hit.

    Args:
        root: Folder of the data set.
        sample: The keyframe.

    Returns:
        The objects; `index` has one entry per point of `sample.keyframe`.

    Raises:
        DatasetError: If the data set was written without ground truth, or the file does not fit the
            sweep.
    """
    path = _objects_path(root, sample.token)
    if not path.exists():
        raise _no_ground_truth(path)
    with name_damage(path, "file of objects", DatasetError):
        arrays = read_npz(path, ("index", "word", "color"))
        index, words, colors = arrays["index"], arrays["word"], arrays["color"]
        if index.ndim != 1 or index.dtype.kind != "i":
            raise ValueError(f"its index is {index.shape} {index.dtype}")
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
