"""Where the files that are installed beside the packages are: config, launch, the small bag."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

_PACKAGE = "clip2scene_ros"


def share_directory() -> Path:
    """Find share/clip2scene_ros, or the root of the checkout for an editable install.

    Raises:
        FileNotFoundError: If the distribution's files are gone.
    """
    for file in metadata.files(_PACKAGE) or ():
        if file.parts[-3:] == ("share", _PACKAGE, "package.xml"):
            return Path(str(file.locate())).resolve().parent
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "package.xml").is_file():
        return checkout
    raise FileNotFoundError(
        f"the files of {_PACKAGE} are not installed; install it again with pip or colcon"
    )
