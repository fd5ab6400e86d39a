"""The parameter services, whose answer may take long while everything else goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_service import ParameterService

Foresee = Callable[[Sequence[Parameter]], Awaitable[None]]


class PatientParameterService(ParameterService):
    """rclpy's services, which let the node prepare itself before they set anything.

    rclpy checks and sets parameters within one callback. What a change needs is therefore made
    before, while other callbacks go on; the check then finds it. Were rclpy to rename the two
    methods, everything would still work, and wait.

    Args:
        node: Started with `start_parameter_services=False`.
        foresee: Told what is about to be set, together.
    """

    def __init__(self, node: Node, foresee: Foresee) -> None:
        self._foresee = foresee
        super().__init__(node)

    async def _set_parameters_callback(self, request: Any, response: Any) -> Any:
        for parameter in request.parameters:
            await self._foresee([Parameter.from_parameter_msg(parameter)])
            alone = SetParameters.Request(parameters=[parameter])
            super()._set_parameters_callback(alone, response)
        return response

    async def _set_parameters_atomically_callback(self, request: Any, response: Any) -> Any:
        await self._foresee([Parameter.from_parameter_msg(p) for p in request.parameters])
        return super()._set_parameters_atomically_callback(request, response)
