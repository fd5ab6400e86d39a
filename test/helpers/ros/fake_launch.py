"""The names of `launch` and `launch_ros` that the launch file imports, noting what they are given.

With them its actions are tested where ROS is not installed; `test_launch_file.py` runs it where
it is.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from checkout import ROOT

LAUNCH_FILE = ROOT / "launch/segment.launch.py"


class Noted:
    """Keeps its arguments as attributes."""

    def __init__(self, *positional, **named) -> None:
        self.positional = positional
        self.__dict__.update(named)


class Node(Noted):
    pass


class ExecuteProcess(Noted):
    pass


class RegisterEventHandler(Noted):
    pass


class OnProcessIO(Noted):
    pass


class DeclareLaunchArgument(Noted):
    pass


class OpaqueFunction(Noted):
    pass


class Shutdown(Noted):
    pass


class LaunchDescription(Noted):
    pass


class LaunchConfiguration:
    def __init__(self, name: str, default: str | None = None) -> None:
        self.name, self.default = name, default

    def perform(self, context: dict[str, str]) -> str:
        return context[self.name] if self.default is None else context.get(self.name, self.default)


def load_launch_file(monkeypatch, share: Path) -> ModuleType:
    """Import the launch file over these classes.

    Args:
        monkeypatch: Takes the modules away in the end.
        share: What the package's share directory is.
    """
    members = {
        "launch": {"LaunchContext": dict, "LaunchDescription": LaunchDescription},
        "launch.actions": {
            kind.__name__: kind
            for kind in (
                DeclareLaunchArgument,
                ExecuteProcess,
                OpaqueFunction,
                RegisterEventHandler,
                Shutdown,
            )
        },
        "launch.event_handlers": {"OnProcessIO": OnProcessIO},
        "launch.events": {},
        "launch.events.process": {"ProcessExited": Noted, "ProcessIO": Noted},
        "launch.launch_description_entity": {"LaunchDescriptionEntity": Noted},
        "launch.substitutions": {"LaunchConfiguration": LaunchConfiguration},
        "launch_ros": {},
        "launch_ros.actions": {"Node": Node},
        "ament_index_python": {},
        "ament_index_python.packages": {"get_package_share_directory": lambda _: str(share)},
    }
    for name, content in members.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return import_launch_file()


def import_launch_file() -> ModuleType:
    """Import the launch file over whatever `launch` there is."""
    spec = importlib.util.spec_from_file_location("segment_launch", LAUNCH_FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
