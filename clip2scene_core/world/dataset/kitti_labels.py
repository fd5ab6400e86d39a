"""The labels of SemanticKITTI for what a ray hit: finer than nuScenes' categories."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.scene import Scene, SceneObject
from clip2scene_core.world.layout.street import RAW
from clip2scene_core.world.primitives.parts import BARK, FRUSTUM, SIGN, Primitives

_OUTLIER: Final = 1
_OTHER_STRUCTURE: Final = 52
_FENCE, _VEGETATION, _TRUNK, _TERRAIN, _POLE, _SIGN, _OTHER_OBJECT = 51, 70, 71, 72, 80, 81, 99
_OF_CATEGORY: Final = {
    RAW["car"]: 10, RAW["bicycle"]: 11, RAW["bus"]: 13, RAW["motorcycle"]: 15, RAW["truck"]: 18,
    RAW["trailer"]: 20, RAW["construction"]: 20, RAW["adult"]: 30, RAW["child"]: 30,
    RAW["worker"]: 30, RAW["barrier"]: _FENCE, RAW["cone"]: _OTHER_OBJECT,
    RAW["terrain"]: _TERRAIN, RAW["vegetation"]: _VEGETATION, RAW["manmade"]: _OTHER_STRUCTURE,
}  # fmt: skip
_OF_GROUND: Final = {24: 40, 25: 49, 26: 48, 27: _TERRAIN}
_OF_WORD: Final = {
    "cyclist": 31, "motorcyclist": 32, "building": 50, "wall": _FENCE, "fence": _FENCE,
    "street lamp": _POLE, "traffic light": _POLE, "sign": _POLE, "trash bin": _OTHER_OBJECT,
    "hydrant": _OTHER_OBJECT, "bench": _OTHER_OBJECT, "cabinet": _OTHER_OBJECT,
    "planter": _OTHER_OBJECT,
}  # fmt: skip
_IN_MOTION: Final = {10: 252, 31: 253, 30: 254, 32: 255, 13: 257, 18: 258, 20: 259}
# Codes of parts in place of categories: above all categories of nuScenes, which the ground keeps.
_FIRST_CODE: Final = 64
_CODED: Final = tuple(
    sorted({*_OF_CATEGORY.values(), *_OF_WORD.values(), *_IN_MOTION.values(), _TRUNK, _SIGN})
)
_CODE_OF_RAW: Final = {raw: _FIRST_CODE + number for number, raw in enumerate(_CODED)}


def with_kitti_codes(scene: Scene, primitives: Primitives) -> Primitives:
    """Replace the category of every part by a code that `raw_labels` turns into a raw label.

    SemanticKITTI tells apart what nuScenes calls manmade and vegetation: buildings, fences, poles
    and signs; trunks and leaves. A rider and his cycle are one, and what moves has its own labels.
    """
    codes = np.array(
        [
            _CODE_OF_RAW[_raw_label(scene.objects[instance], material, kind)]
            for instance, material, kind in zip(
                primitives.instance.tolist(),
                primitives.material.tolist(),
                primitives.kind.tolist(),
                strict=True,
            )
        ],
        dtype=np.uint8,
    )
    return primitives._replace(category=codes)


def raw_labels(
    categories: NDArray[np.uint8], instances: NDArray[np.int64], scene: Scene
) -> NDArray[np.uint32]:
    """Labels as SemanticKITTI's files have them.

    Args:
        categories: (N,) uint8, codes of parts, and nuScenes' categories of ground and noise.
        instances: (N,) int64, index of the object that was hit, -1 for none.
        scene: The scene.

    Returns:
        (N,) uint32: the raw label, and 1 + the index of a thing in the upper half.
    """
    raw_of = np.zeros(256, dtype=np.uint32)  # 0: unlabelled, such as the ego vehicle
    raw_of[0] = _OUTLIER
    for category, raw in _OF_GROUND.items():
        raw_of[category] = raw
    for raw, code in _CODE_OF_RAW.items():
        raw_of[code] = raw
    is_thing = np.array([one.is_annotated for one in scene.objects] + [False])
    numbers = np.where(is_thing[instances], instances + 1, 0).astype(np.uint32)
    labels: NDArray[np.uint32] = raw_of[categories] | (numbers << np.uint32(16))
    return labels


def _raw_label(scene_object: SceneObject, material: int, kind: int) -> int:
    word = scene_object.word
    if material == BARK and scene_object.category == RAW["vegetation"]:
        return _TRUNK
    if word == "sign" and material == SIGN:
        return _SIGN
    if word == "traffic light" and kind != FRUSTUM:
        return _OTHER_OBJECT
    raw = _OF_WORD.get(word, _OF_CATEGORY[scene_object.category])
    return _IN_MOTION.get(raw, raw) if scene_object.is_moving else raw
