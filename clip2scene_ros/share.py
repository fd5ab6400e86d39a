"""Find the files that are installed beside the packages: config, launch files, the small bag."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = "clip2scene_ros"


def share_directory() -> Path:
    """Find share/clip2scene_ros of the present installation, or the root of the checkout.

    Raises:
        FileNotFoundError: If there is neither.
    """
    site_packages = Path(__file__).resolve().parents[1]
    if (site_packages / "package.xml").is_file():
        return site_packages  # a checkout
    for prefix in site_packages.parents:
        share = prefix / "share" / _PACKAGE
        if (share / "package.xml").is_file():
            return share
    raise FileNotFoundError(
        f"no share/{_PACKAGE} above {site_packages}; install {_PACKAGE} again with pip or colcon"
    )
