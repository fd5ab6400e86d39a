"""Which labelled keyframes fine-tuning may use: the field's two ways to take 1 % of nuScenes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from clip2scene_core.finetune_config import LabelsConfig


def slidr_scene(scene_of_keyframe: Sequence[str], step: int) -> list[int]:
    """Take all keyframes of every n-th scene: the n-th, the 2n-th and so on.

    Args:
        scene_of_keyframe: The scene of each keyframe, scene by scene.
        step: n.

    Returns:
        Indices of keyframes, ascending; none if there are fewer than n scenes.

    Source: SLidR (CVPR 2022), downstream/dataloader_nuscenes.py: 1 % of nuScenes is 7 scenes.
    """
    scenes = list(dict.fromkeys(scene_of_keyframe))
    chosen = set(scenes[step - 1 :: step])
    return [index for index, scene in enumerate(scene_of_keyframe) if scene in chosen]


def clip2scene_keyframe(num_keyframes: int, step: int) -> list[int]:
    """Take every n-th keyframe, beginning with the first; they come from nearly all scenes.

    Args:
        num_keyframes: In the order of scenes and of time.
        step: n.

    Returns:
        Indices of keyframes, ascending.

    Source: CLIP2Scene (CVPR 2023), downstream/dataloader_nuscenes.py: 1 % of nuScenes is 282
    keyframes. Scores are far above those of `slidr_scene`; the two must not be compared.
    """
    return list(range(0, num_keyframes, step))


def choose_keyframes(labels: LabelsConfig, scene_of_keyframe: Sequence[str]) -> list[int]:
    """Choose the keyframes of a labelled share.

    Args:
        labels: The share, and which sampler takes it.
        scene_of_keyframe: The scene of each keyframe, in the order of scenes and of time.

    Returns:
        Indices of keyframes, ascending, at least one.

    Raises:
        ValueError: If the share has no keyframe.
    """
    step = 100 // labels.percent
    if labels.sampler == "slidr_scene":
        chosen = slidr_scene(scene_of_keyframe, step)
    else:
        chosen = clip2scene_keyframe(len(scene_of_keyframe), step)
    if not chosen:
        raise ValueError(
            f"{labels.percent} % by {labels.sampler} is 1 of {step}, and there are "
            f"{len(set(scene_of_keyframe))} scenes with {len(scene_of_keyframe)} keyframes; "
            f"choose a larger percent or another sampler"
        )
    return chosen


def write_tokens(path: Path, tokens: Sequence[str]) -> None:
    """Write tokens, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_token_file(tokens))


def hash_tokens(tokens: Sequence[str]) -> str:
    """SHA-256 of the file that `write_tokens` writes, as `sha256sum` prints it."""
    return hashlib.sha256(_token_file(tokens)).hexdigest()


def _token_file(tokens: Sequence[str]) -> bytes:
    return "".join(f"{token}\n" for token in tokens).encode()
