"""The node's services, of types from std_srvs: a Python package cannot define its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from clip2scene_ros.messages.quoting import one_line
from clip2scene_ros.node.background import Background


def offer_services(
    node: Node,
    triggers: Mapping[str, Callable[[], str]],
    switches: Mapping[str, Callable[[bool], str]],
    slow_triggers: Mapping[str, Callable[[], str]],
    background: Background,
) -> None:
    """Offer actions as services under the node's private name.

    The text that an action returns is the message of the response. An exception becomes a response
    without success, because no request may end the node.

    Args:
        node: Owns the services.
        triggers: Actions by the name of their std_srvs/Trigger.
        switches: Actions that take true or false, by the name of their std_srvs/SetBool.
        slow_triggers: Like `triggers`, but run in the background while the node goes on.
        background: Runs the slow triggers.
    """
    for name, trigger in triggers.items():
        node.create_service(Trigger, f"~/{name}", partial(_trigger, trigger))
    for name, switch in switches.items():
        node.create_service(SetBool, f"~/{name}", partial(_switch, switch))
    group = MutuallyExclusiveCallbackGroup()
    for name, trigger in slow_triggers.items():
        callback = partial(_trigger_later, background, trigger)
        node.create_service(Trigger, f"~/{name}", callback, callback_group=group)


def _trigger(trigger: Callable[[], str], _request: Any, response: Any) -> Any:
    return _answer(trigger, response)


async def _trigger_later(
    background: Background, trigger: Callable[[], str], _request: Any, response: Any
) -> Any:
    return await background.run(partial(_answer, trigger, response))


def _switch(switch: Callable[[bool], str], request: Any, response: Any) -> Any:
    return _answer(partial(switch, request.data), response)


def _answer(action: Callable[[], str], response: Any) -> Any:
    try:
        response.message = action()
        response.success = True
    except Exception as error:  # noqa: BLE001
        response.message = one_line(str(error)) or type(error).__name__
        response.success = False
    return response
