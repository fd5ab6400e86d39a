"""Torch's idle threads leave the processors to the middleware.

The executable imports this module before those that import torch, which reads the setting once.
"""

from __future__ import annotations

from clip2scene_core.idle_threads import let_idle_threads_sleep
from clip2scene_ros.node.interruption import is_executable

if is_executable():
    let_idle_threads_sleep()
