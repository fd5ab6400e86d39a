"""Which scenes to open: lists in text files, and the official splits of nuScenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clip2scene_core.sample import DatasetError

_VAL: Final = (
    "3 12-18 35-36 38-39 92-110 221 268-278 329-332 344-346 519-524 552-565 625-627 629-630 "
    "632-638 770-771 775 777-778 780-784 794-800 802 904-917 919-931 962-963 966-969 971-972 "
    "1059-1073"
)
_TEST: Final = (
    "77-91 111-119 140 142-148 265-266 279-282 307-314 333-343 481-498 547-551 601-604 606-624 "
    "827-831 833-842 844-846 932-933 935-943 1026-1043"
)
_TRAIN: Final = (
    "1-2 4-11 19-34 41-76 120-135 138-139 149-152 154-155 157-168 170-185 187-188 190-196 199-200 "
    "202-204 206-214 218-220 222 224-264 283-306 315-318 321 323-324 328 347-386 388-403 405-408 "
    "410-459 461-465 467-469 471-472 474-480 499-502 504-515 517-518 525-539 541-546 566 568 "
    "570-578 580 582-600 639-679 681 683-689 695-698 700-701 703-719 726-728 730-731 733-741 744 "
    "746-747 749-752 757-765 767-769 786-787 789-792 803-806 808-813 815-817 819-822 847-856 858 "
    "860-866 868-873 875-878 880 882-903 945 947 949 952-953 955-961 975-984 988-992 994-1025 "
    "1044-1058 1074-1102 1104-1110"
)


def _names(numbers: str) -> tuple[str, ...]:
    bounds = [[int(end) for end in part.split("-")] for part in numbers.split()]
    return tuple(f"scene-{n:04d}" for ends in bounds for n in range(ends[0], ends[-1] + 1))


NUSCENES_SPLITS: Final = {
    "train": _names(_TRAIN),
    "val": _names(_VAL),
    "test": _names(_TEST),
    "mini_train": _names("61 553 655 757 796 1077 1094 1100"),
    "mini_val": _names("103 916"),
}
"""Names of the scenes of each official split of nuScenes. The two of v1.0-mini hold scenes of both
"train" and "val": what was trained on one pair must not be evaluated on the other."""


def read_scene_list(path: Path) -> list[str]:
    """Read names of scenes from a text file, in its order.

    There may be several in a line, with spaces or commas between, and comments after "#". Of a
    path the last part counts. A byte order mark and backslashes, as Windows writes them, do no
    harm.

    Args:
        path: Text file, UTF-8 or UTF-16.

    Raises:
        ValueError: If the file is no text, names no scene, or is none but the name of a split.
        OSError: If it cannot be read.
    """
    if path.name in (*NUSCENES_SPLITS, "pretrain_600") and not path.exists():
        raise ValueError(f"there is no file {path}; the official split is --split {path.name}")
    content = path.read_bytes()
    is_wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text file of names of scenes: {error.reason}") from None
    names = []
    for line in text.splitlines():
        words = line.partition("#")[0].replace(",", " ").replace("\\", "/").split()
        names += [word.strip("\"'").rstrip("/").rpartition("/")[2] for word in words]
    names = [name for name in names if name]
    if not names:
        raise ValueError(f"{path} names no scene; write one name a line, such as scene-0061")
    return list(dict.fromkeys(names))


def scenes_of_nuscenes_split(split: str, available: Sequence[str], table: Path) -> tuple[str, ...]:
    """Names of the scenes of an official split.

    Args:
        split: Name of the split.
        available: Names of the scenes that the data set has.
        table: Path of scene.json.

    Raises:
        DatasetError: If there is no such split, or the data set does not have all of its scenes.
    """
    if split == "pretrain_600":
        raise DatasetError(
            "pretrain_600 is train without the 100 scenes that SLidR and CLIP2Scene hold out; "
            "their list is part of SLidR's code: name the 600 others in a file for --scenes"
        )
    if split not in NUSCENES_SPLITS:
        raise DatasetError(f"nuScenes has the splits {', '.join(NUSCENES_SPLITS)}, got {split!r}")
    names = NUSCENES_SPLITS[split]
    there = len(set(names) & set(available))
    if there < len(names):
        fitting = [name for name, own in NUSCENES_SPLITS.items() if set(own) <= set(available)]
        raise DatasetError(
            f"{table} has {there} of the {len(names)} scenes of the split {split!r}; "
            + (f"it has all of {', '.join(fitting)}" if fitting else "give the names of scenes")
        )
    return names
