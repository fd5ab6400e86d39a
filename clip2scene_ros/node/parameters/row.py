"""A row of the parameter table: name, default, limits and description of one ROS parameter."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from clip2scene_ros.messages.quoting import quoted

MAX_TEXT_CHARS: Final = 4096
"""Characters of a text, alone or in a list."""

MAX_ENTRIES: Final = 1000
"""Entries of a list."""

Value = bool | int | float | str | tuple[str, ...] | tuple[int, ...]


class ParameterError(ValueError):
    """A value that cannot be used; the message names the parameter."""


@dataclass(frozen=True)
class ParameterRow:
    """One ROS parameter without its value.

    Attributes:
        field: Name in Python, with the unit.
        name: Name in ROS.
        default: Value of a node that is started without this parameter.
        description: Sentences for people, units in brackets.
        within: Least and greatest value; None without limits.
        choices: Texts that the value may be; () without limits. Beside `within`, the value is one
            of them or a number within.
        dynamic: The value may change while the node runs; other parameters are read-only.
        empty_list: Value that stands for an empty list in ROS, where an empty list has no type;
            None for a parameter that is no list.
    """

    field: str
    name: str
    default: Value
    description: str
    within: tuple[float, float] | None
    choices: tuple[str, ...]
    dynamic: bool
    empty_list: list[str] | list[int] | None

    @property
    def ros_default(self) -> Any:
        """Default as ROS declares it."""
        return self.to_ros(self.default)

    def to_ros(self, value: Any) -> Any:
        """Convert a value of NodeParameters to ROS."""
        return value if self.empty_list is None else list(value) or list(self.empty_list)

    def from_ros(self, value: Any) -> Any:
        """Convert a value from ROS to NodeParameters."""
        if self.empty_list is None:
            return value
        return () if list(value) == self.empty_list else tuple(value)

    @property
    def is_number_or_text(self) -> bool:
        """Whether the value is a number or a text; in ROS its type is then dynamic."""
        return bool(self.choices and self.within)

    def check(self, value: Any) -> None:
        """Check a value by itself.

        Raises:
            ParameterError: If it is none of the choices, out of range, too long, or a list that
                holds an empty text.
        """
        self._check_length(value)
        if self.is_number_or_text:
            self._check_number_or_text(value)
        elif self.choices and value not in self.choices:
            raise ParameterError(
                f"parameter '{self.name}' must be one of {', '.join(self.choices)}, got '{value}'"
            )
        elif self.within and not self.within[0] <= value <= self.within[1]:
            raise ParameterError(
                f"parameter '{self.name}' must be in [{self.within[0]}, {self.within[1]}], "
                f"got {value}"
            )
        if isinstance(value, tuple) and "" in value:
            raise ParameterError(
                f"parameter '{self.name}' holds an empty text beside others; [''] alone means none"
            )

    def _check_length(self, value: Any) -> None:
        if isinstance(value, tuple) and len(value) > MAX_ENTRIES:
            raise ParameterError(
                f"parameter '{self.name}' has {len(value)} entries, the node takes {MAX_ENTRIES}"
            )
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and len(text) > MAX_TEXT_CHARS:
                raise ParameterError(
                    f"parameter '{self.name}' holds {quoted(text)}, the node takes texts of "
                    f"{MAX_TEXT_CHARS}"
                )

    def _check_number_or_text(self, value: Any) -> None:
        assert self.within is not None
        if value in self.choices:
            return
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not self.within[0] <= value <= self.within[1]:
            raise ParameterError(
                f"parameter '{self.name}' must be {' or '.join(self.choices)} or a number in "
                f"[{self.within[0]}, {self.within[1]}], got {value!r}"
            )

    @property
    def limits(self) -> str:
        """Range, choices or both for people; "" without limits."""
        span = [f"{self.within[0]:g} to {self.within[1]:g}"] if self.within else []
        return " or ".join([", ".join(self.choices), *span] if self.choices else span)


def parameter(
    name: str,
    default: Value,
    description: str,
    *,
    within: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    dynamic: bool = False,
) -> Any:
    """Make the dataclass field of a parameter; see ParameterRow for the arguments."""
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
    empty_lists: dict[str, list[str] | list[int]] = {
        "tuple[str, ...]": [""],
        "tuple[int, ...]": [-1],
    }
    return tuple(
        ParameterRow(
            field=column.name, empty_list=empty_lists.get(str(column.type)), **column.metadata
        )
        for column in fields(table)
    )
