"""Messages of ROS 1 as messages of ROS 2: types under their new names, bytes as CDR."""

from __future__ import annotations

from typing import Any, Final

from rosbags.convert.converter import (
    LATCH,
    STATIC_MSGTYPE_RENAMES,
    is_same_wireformat,
    migrate_bytes,
)
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag1,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from clip2scene_ros.bags.reading.storage import StorageError

CONVERT_HINT: Final = "or convert the recording: rosbags-convert --src {} --dst NEW"


class Ros1Types:
    """The message types of a ROS 1 recording, beside those of ROS 2 that they become."""

    def __init__(self) -> None:
        self._old = get_typestore(Stores.ROS1_NOETIC)
        self._new = get_typestore(Stores.ROS2_JAZZY)
        self._defaults: dict[str, object] = {}
        self._is_same: dict[str, bool] = {}

    def declare(self, connection: Connection) -> Connection:
        """Describe a ROS 1 topic as one of ROS 2.

        Args:
            connection: As the recording has it; its definition is used if ROS does not know the
                type.

        Raises:
            StorageError: If the type has no definition that can be read.
        """
        old, new = connection.msgtype, _new_name(connection.msgtype)
        try:
            if old not in self._old.fielddefs:
                text = connection.msgdef.data or self._new.generate_msgdef(new, ros_version=1)[0]
                found = get_types_from_msg(text, old)
                known = self._old.fielddefs
                self._old.register(
                    {name: kind for name, kind in found.items() if name not in known}
                )
            if new not in self._new.fielddefs:
                text, _ = self._old.generate_msgdef(old, ros_version=2)
                found = get_types_from_msg(text, new)
                known = self._new.fielddefs
                self._new.register(
                    {name: kind for name, kind in found.items() if name not in known}
                )
            definition, _ = self._new.generate_msgdef(new, ros_version=2)
        except Exception as error:  # its parser raises whatever a definition provokes
            raise StorageError(f"the definition of {old} cannot be read") from error
        is_latched = isinstance(connection.ext, ConnectionExtRosbag1) and connection.ext.latching
        return connection._replace(
            msgtype=new,
            msgdef=MessageDefinition(MessageDefinitionFormat.MSG, definition),
            digest="",
            ext=ConnectionExtRosbag2("cdr", list(LATCH) if is_latched else []),
        )

    def convert(self, msgtype: str, content: Any) -> bytes:
        """Convert the bytes of a message.

        Args:
            msgtype: Its type in ROS 1, declared before.
            content: Bytes in ROS 1's encoding.

        Returns:
            CDR.

        Raises:
            StorageError: If they do not make a message of its type.
        """
        new = _new_name(msgtype)
        try:
            if msgtype not in self._is_same:
                self._is_same[msgtype] = is_same_wireformat(self._old, self._new, msgtype, new)
            if self._is_same[msgtype]:
                return bytes(self._new.ros1_to_cdr(content, new))
            return bytes(
                migrate_bytes(
                    self._old,
                    self._new,
                    msgtype,
                    new,
                    self._defaults,
                    content,
                    src_is2=False,
                    dst_is2=True,
                )
            )
        except Exception as error:  # its parser raises whatever damage provokes
            raise StorageError(f"a {msgtype} of {len(content)} bytes is damaged") from error


def _new_name(msgtype: str) -> str:
    return STATIC_MSGTYPE_RENAMES.get(msgtype, msgtype)
