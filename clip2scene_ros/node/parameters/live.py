"""The parameters of a running node: declared from the table, each change prepared, then taken.

A change arrives at the services of `AsyncParameterService` and is taken by `LiveParameters`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, Generic, NoReturn, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rcl_interfaces.srv import SetParameters
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_service import ParameterService

from clip2scene_ros.messages.quoting import one_line
from clip2scene_ros.node.background import Background
from clip2scene_ros.node.parameters.row import ParameterError, ParameterRow
from clip2scene_ros.node.parameters.table import ROWS, NodeParameters

Prepared = TypeVar("Prepared")
PrepareChange = Callable[[Sequence[Parameter]], Awaitable[None]]

DEPENDENT: Final = {
    "prompts": ("prompt_names", "prompt_groups", "palette"),
    "prompt_groups": ("palette",),
}
"""Parameters that are reset when another one changes, unless they are set together with it."""

_ROW_OF = {row.name: row for row in ROWS}
_QOS_OVERRIDE = re.compile(r"qos_overrides\./.+\.subscription\.depth")


class AsyncParameterService(ParameterService):
    """The parameter services of rclpy, which prepare a change before they set it.

    rclpy checks and sets parameters within one callback. So what a change needs is prepared before,
    while other callbacks go on, and the check finds it. If rclpy renamed the two methods, changes
    would still work, but the node would wait for each.

    Args:
        node: Started with `start_parameter_services=False`.
        prepare: Awaited with the parameters that are about to be set together.
    """

    def __init__(self, node: Node, prepare: PrepareChange) -> None:
        self._prepare_change = prepare
        super().__init__(node)

    async def _set_parameters_callback(self, request: Any, response: Any) -> Any:
        for parameter in request.parameters:
            await self._prepare_change([Parameter.from_parameter_msg(parameter)])
            alone = SetParameters.Request(parameters=[parameter])
            super()._set_parameters_callback(alone, response)
        return response

    async def _set_parameters_atomically_callback(self, request: Any, response: Any) -> Any:
        await self._prepare_change([Parameter.from_parameter_msg(p) for p in request.parameters])
        return super()._set_parameters_atomically_callback(request, response)


class LiveParameters(Generic[Prepared]):
    """Declares every row of the table and follows the changes of the dynamic ones.

    A change has two phases. First the new values are checked as a whole and what they need is
    prepared. This may fail: the response has the reason, and nothing has changed. Then the values
    and what was prepared are taken at once, which cannot fail. Changes from the parameter services
    are prepared in the background; those from inside the node are prepared at once.

    Args:
        node: Started without `automatically_declare_parameters_from_overrides` and without
            parameter services; they are offered here.
        prepare: Called with old and new values; returns what `take` needs, and may raise.
        take: Called with new values and what was prepared for them, on the executor's thread.
        background: Runs `prepare` for the services.

    Attributes:
        values: The present values.

    Raises:
        ParameterError: If a value has the wrong type, is out of range or contradicts another, or
            the user named a parameter that does not exist.
    """

    def __init__(
        self,
        node: Node,
        prepare: Callable[[NodeParameters, NodeParameters], Prepared],
        take: Callable[[NodeParameters, Prepared], None],
        background: Background,
    ) -> None:
        _refuse_unknown(node)
        self.values = NodeParameters(**{row.field: _declare(node, row) for row in ROWS})
        self._node = node
        self._prepare = prepare
        self._take = take
        self._background = background
        self._prepared: tuple[NodeParameters, NodeParameters, Callable[[], Prepared]] | None = None
        self._pending: tuple[NodeParameters, Prepared] | None = None
        self._service = AsyncParameterService(node, self._prepare_change)
        node.add_pre_set_parameters_callback(_complete)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._commit)

    def set(self, **values: Any) -> None:
        """Change some values from inside the node, all or none of them.

        Args:
            values: By their names in NodeParameters.

        Raises:
            ParameterError: If they are refused.
        """
        result = self._node.set_parameters_atomically(_as_ros(values))
        if not result.successful:
            raise ParameterError(result.reason)

    async def set_in_background(self, **values: Any) -> None:
        """Change some values from a callback, prepared in the background.

        Args:
            values: By their names in NodeParameters.

        Raises:
            ParameterError: If they are refused.
        """
        await self._prepare_change(_as_ros(values))
        self.set(**values)

    async def _prepare_change(self, parameters: Sequence[Parameter]) -> None:
        """Prepare a change in the background; `_check` finds the outcome."""
        self._prepared = None
        old = self.values
        try:
            new = self._changed(_complete(list(parameters)))
        except Exception:  # noqa: BLE001  `_check` meets it again and answers
            return
        outcome: Callable[[], Prepared]
        try:
            prepared = await self._background.run(partial(self._prepare, old, new))
            outcome = partial(_identity, prepared)
        except Exception as error:  # noqa: BLE001
            outcome = partial(_raise, error)
        self._prepared = old, new, outcome

    def _check(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        self._pending = None
        prepared, self._prepared = self._prepared, None
        if any(parameter.name in _ROW_OF for parameter in parameters):
            try:
                values = self._changed(parameters)
                if prepared is not None and prepared[:2] == (self.values, values):
                    self._pending = values, prepared[2]()
                else:
                    self._pending = values, self._prepare(self.values, values)
            except Exception as error:  # noqa: BLE001  no change of a parameter may end the node
                return SetParametersResult(successful=False, reason=_reason(error))
        return SetParametersResult(successful=True)

    def _changed(self, parameters: Sequence[Parameter]) -> NodeParameters:
        given = [(_ROW_OF[p.name], p.value) for p in parameters if p.name in _ROW_OF]
        return replace(self.values, **{row.field: row.from_ros(value) for row, value in given})

    def _commit(self, _parameters: Sequence[Parameter]) -> None:
        if self._pending is not None:
            self.values, prepared = self._pending
            self._pending = None
            self._take(self.values, prepared)


def _as_ros(values: Mapping[str, Any]) -> list[Parameter]:
    rows = [row for row in ROWS if row.field in values]
    return [Parameter(row.name, value=row.to_ros(values[row.field])) for row in rows]


def _identity(prepared: Prepared) -> Prepared:
    return prepared


def _raise(error: Exception) -> NoReturn:
    raise error


def _complete(parameters: list[Parameter]) -> list[Parameter]:
    """Give empty lists their type, and reset parameters that depend on the new values."""
    completed = {p.name: _typed(p) for p in parameters}
    for name in list(completed):
        for dependent in DEPENDENT.get(name, ()):
            unset = Parameter(dependent, value=_ROW_OF[dependent].ros_default)
            completed.setdefault(dependent, unset)
    return list(completed.values())


def _typed(parameter: Parameter) -> Parameter:
    """Replace an empty list, which has no type in ROS, by the row's stand-in."""
    row = _ROW_OF.get(parameter.name)
    if row is None or row.empty_list is None or _length(parameter.value) != 0:
        return parameter
    return Parameter(parameter.name, value=row.empty_list)


def _length(value: Any) -> int | None:
    return len(value) if hasattr(value, "__len__") and not isinstance(value, str) else None


def _refuse_unknown(node: Node) -> None:
    # rclpy keeps the user's parameters in a private attribute only. Without this check a mistyped
    # name would have no effect and no error.
    for name in node._parameter_overrides:
        if name in _ROW_OF or node.has_parameter(name) or _QOS_OVERRIDE.fullmatch(name):
            continue
        if name.startswith("qos_overrides."):
            raise ParameterError(
                f"'{name}' is not offered, only the depth of a subscription "
                f"(qos_overrides./TOPIC.subscription.depth); for reliability set qos.reliability"
            )
        nearest = difflib.get_close_matches(name, _ROW_OF, n=1, cutoff=0.0)[0]
        raise ParameterError(f"unknown parameter '{name}'; did you mean '{nearest}'?")


def _declare(node: Node, row: ParameterRow) -> Any:
    """Declare a row, and return its value as NodeParameters takes it."""
    descriptor = _descriptor(row)
    try:
        value = node.declare_parameter(row.name, row.ros_default, descriptor).value
    except InvalidParameterTypeException as error:
        given = node._parameter_overrides[row.name].value
        raise ParameterError(
            f"parameter '{row.name}' must be {_wanted(row)}; got {given!r}"
        ) from error
    except InvalidParameterValueException as error:
        limits = (descriptor.floating_point_range or descriptor.integer_range)[0]
        raise ParameterError(
            f"parameter '{row.name}' must be in [{limits.from_value}, {limits.to_value}], "
            f"got {node._parameter_overrides[row.name].value}"
        ) from error
    if value is None:
        raise ParameterError(
            f"parameter '{row.name}' got an empty list, which has no type in ROS; write "
            f"{row.empty_list} for none"
        )
    return row.from_ros(value)


def _wanted(row: ParameterRow) -> str:
    if row.empty_list is not None:
        return f"a list of {type(row.empty_list[0]).__name__}"
    return f"a {type(row.default).__name__}, such as {row.default!r}"


def _descriptor(row: ParameterRow) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=row.description,
        read_only=not row.dynamic,
        dynamic_typing=row.is_number_or_text,
    )
    if row.choices:
        descriptor.additional_constraints = f"One of {row.limits}."
    if row.within and not row.is_number_or_text:
        low, high = row.within
        if isinstance(row.default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high))
            ]
    return descriptor


def _reason(error: Exception) -> str:
    text = one_line(str(error))
    if isinstance(error, (ValueError, OSError)) and text:
        return text
    return f"{type(error).__name__}: {text}"
