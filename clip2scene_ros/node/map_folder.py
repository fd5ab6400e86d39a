"""The one folder that the node writes: every peer may call ~/save_map and choose the name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clip2scene_core.mapping.labelled_map import check_map_path, is_map_file
from clip2scene_ros.messages.quoting import quoted
from clip2scene_ros.node.parameters.row import ParameterError

MAX_MAPS: Final = 100
"""Files in the folder beyond which no new one is begun: a peer could fill the disk."""

_MAX_NAME_CHARS: Final = 100


class MapFolder:
    """The folder that maps are written to, fixed when the node is configured.

    Args:
        folder: An existing folder, relative to where the node was started; "" for none.

    Raises:
        ParameterError: If there is no such folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).resolve() if folder else None
        if self._folder is not None and not self._folder.is_dir():
            raise ParameterError(
                f"parameter 'map.folder': there is no folder {self._folder}; make it, or name "
                f"another one"
            )

    def file(self, name: str) -> Path:
        """Give the path that a map may be written to.

        Args:
            name: The parameter map.save_path.

        Raises:
            ParameterError: If there is no folder or no name, or the name leads elsewhere.
            ValueError: If the file is not a map of ours, or the folder is full.
        """
        if self._folder is None:
            raise ParameterError(
                "parameter 'map.folder' names no folder; start the node with the one that may be "
                "written to"
            )
        if not name:
            raise ParameterError(
                "parameter 'map.save_path' names no file; set it to one that ends in .npz or .ply"
            )
        check_map_name(name)
        path = self._folder / name
        if path.is_symlink() or path.exists():
            if path.is_symlink() or not is_map_file(path):
                raise ValueError(
                    f"{path} is no map of ours and stays; choose another map.save_path"
                )
        elif sum(1 for _ in self._folder.iterdir()) >= MAX_MAPS:
            raise ValueError(
                f"{self._folder} holds {MAX_MAPS} files or more; move some away, or replace a map"
            )
        return path


def check_map_name(name: str) -> None:
    """Check that a name of a map leads nowhere but into the folder.

    Raises:
        ParameterError: If it is no plain file name.
        ValueError: If its suffix is another one.
    """
    if name in ("", ".", "..") or Path(name).name != name or "\\" in name or name.startswith("."):
        raise ParameterError(
            f"parameter 'map.save_path' must be the name of a file in the folder that the node was "
            f"started with as map.folder, without any folder before it; got {quoted(name)}"
        )
    if len(name) > _MAX_NAME_CHARS or not name.isprintable():
        raise ParameterError(
            f"parameter 'map.save_path' must have at most {_MAX_NAME_CHARS} characters that can "
            f"be printed, got {quoted(name)}"
        )
    check_map_path(Path(name))
