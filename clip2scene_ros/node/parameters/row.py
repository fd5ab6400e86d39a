"""A row of the parameter table: what is known of one ROS parameter besides its value."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

Value = bool | int | float | str | tuple[str, ...] | tuple[int, ...]


class ParameterError(ValueError):
    """A value that cannot be used; the message names the parameter."""


@dataclass(frozen=True)
class ParameterRow:
    """What is known of one parameter.

    Attributes:
        field: Its name in Python, with the unit.
        name: Its name in ROS.
        default: The value of a node that is told nothing.
        description: Sentences for people, units in brackets.
        within: Least and greatest value, if bounded.
        choices: The texts that it may be, if bounded.
        dynamic: It may change while the node runs; the others are read-only.
        nothing: What stands for an empty list in ROS, where an empty list has no type; None for a
            parameter that is no list.
    """

    field: str
    name: str
    default: Value
    description: str
    within: tuple[float, float] | None
    choices: tuple[str, ...]
    dynamic: bool
    nothing: list[str] | list[int] | None

    @property
    def ros_default(self) -> Any:
        """The default as ROS declares it."""
        return self.to_ros(self.default)

    def to_ros(self, value: Any) -> Any:
        """Write a value as ROS takes it."""
        return value if self.nothing is None else list(value) or list(self.nothing)

    def from_ros(self, value: Any) -> Any:
        """Read a value as ROS gives it."""
        if self.nothing is None:
            return value
        return () if list(value) == self.nothing else tuple(value)

    def check(self, value: Any) -> None:
        """Check a value by itself.

        Raises:
            ParameterError: If it is none of the choices, out of range, or a list that holds an
                empty text.
        """
        if self.choices and value not in self.choices:
            raise ParameterError(
                f"parameter '{self.name}' must be one of {', '.join(self.choices)}, got '{value}'"
            )
        if self.within and not self.within[0] <= value <= self.within[1]:
            raise ParameterError(
                f"parameter '{self.name}' must be in [{self.within[0]}, {self.within[1]}], "
                f"got {value}"
            )
        if isinstance(value, tuple) and "" in value:
            raise ParameterError(
                f"parameter '{self.name}' holds an empty text beside others; [''] alone means none"
            )

    @property
    def limits(self) -> str:
        """The range or the choices, for people; empty where everything goes."""
        if self.within:
            return f"{self.within[0]:g} to {self.within[1]:g}"
        return ", ".join(self.choices)


def parameter(
    name: str,
    default: Value,
    description: str,
    *,
    within: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    dynamic: bool = False,
) -> Any:
    """Make the field of a dataclass that holds a parameter's value; see ParameterRow."""
    row = {
        "name": name,
        "default": default,
        "description": description,
        "within": within,
        "choices": choices,
        "dynamic": dynamic,
    }
    return field(default=default, metadata=row)


def rows_of(table: type) -> tuple[ParameterRow, ...]:
    """List the rows of a dataclass whose fields were made by `parameter`, in their order."""
    nothing: dict[str, list[str] | list[int]] = {
        "tuple[str, ...]": [""],
        "tuple[int, ...]": [-1],
    }
    return tuple(
        ParameterRow(field=column.name, nothing=nothing.get(str(column.type)), **column.metadata)
        for column in fields(table)
    )
