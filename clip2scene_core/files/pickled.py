"""Files of torch.save and TorchScript archives to tensors; no code of the file is run.

Both are zip archives: `data.pkl` is a pickle of the objects, `data/0` and so on are the numbers of
the tensors, uncompressed. TorchScript has the code of its modules beside them, which is not read.
The pickle names classes and functions; of them only tensors, numbers, texts and containers are
built, everything else becomes an `Unread` object that can do nothing.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import torch
from torch import Tensor

_DTYPES: Final = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}  # fmt: skip

_MAX_PICKLE_BYTES: Final = 1 << 26
_MAX_DIMENSIONS: Final = 16


class Unread:
    """An object of a class that is not read: its attributes, and nothing that could be run."""

    attributes: dict[str, Any]

    def __new__(cls, *_arguments: Any, **_named: Any) -> Unread:
        """Take any arguments, and keep none."""
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __call__(self, *_arguments: Any, **_named: Any) -> Unread:
        """Stand for what a method of the object would have made."""
        return Unread()

    # Containers of other classes are filled item by item.
    def append(self, _item: Any) -> None:
        """Leave an item out."""

    def extend(self, _items: Any) -> None:
        """Leave items out."""

    def add(self, _item: Any) -> None:
        """Leave an item out."""

    def __setitem__(self, _key: Any, _item: Any) -> None:
        pass


class _Storage(NamedTuple):
    """The numbers of one or more tensors."""

    values: Tensor


def read_archive(path: Path) -> Any:
    """Read the objects of a file of torch.save since 1.6, or of a TorchScript archive.

    Args:
        path: The file.

    Returns:
        What was saved: tensors are on the CPU with the type that they have in the file, a module of
        TorchScript is an `Unread` with its parameters, buffers and modules as attributes.

    Raises:
        OSError: If the file cannot be read.
        ValueError, zipfile.BadZipFile, pickle.UnpicklingError, ...: If it is damaged: whatever
            readers raise, see `files.damage`.
    """
    with zipfile.ZipFile(path) as archive:
        (pickled,) = (name for name in archive.namelist() if _is_main_pickle(name))
        info = archive.getinfo(pickled)
        if info.file_size > _MAX_PICKLE_BYTES:
            raise ValueError(f"its objects have {info.file_size} bytes")
        content = archive.read(info)
        return _Unpickler(content, archive, pickled.removesuffix("data.pkl")).load()


def tensors_of(module: Unread) -> dict[str, Tensor]:
    """The tensors of a module of TorchScript by their names with dots, as its state_dict has them.

    Raises:
        ValueError: If modules contain themselves.
    """
    tensors: dict[str, Tensor] = {}

    def collect(inner: Unread, prefix: str, depth: int) -> None:
        if depth > 50:
            raise ValueError("its modules are nested too deeply")
        for name, value in inner.attributes.items():
            if isinstance(value, Tensor):
                tensors[prefix + name] = value
            elif isinstance(value, Unread):
                collect(value, f"{prefix}{name}.", depth + 1)

    collect(module, "", 0)
    return tensors


def _is_main_pickle(name: str) -> bool:
    """Whether a member is FOLDER/data.pkl, or data.pkl itself."""
    return name == "data.pkl" or (name.endswith("/data.pkl") and name.count("/") == 1)


# The C unpickler takes memory for a memo as large as the file says; the Python one does not.
class _Unpickler(pickle._Unpickler):
    stack: list[Any]

    def __init__(self, content: bytes, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(content))
        self._archive, self._folder = archive, folder
        self._storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Give a harmless stand-in for everything that a pickle may name."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        return _STAND_INS.get((module, name), Unread)  # a class of ours, whatever the file names

    def persistent_load(self, key: Any) -> _Storage:
        """Name the storage that a tensor is in: ("storage", type, name, device, length)."""
        if not isinstance(key, tuple) or len(key) != 5 or not isinstance(key[1], torch.dtype):
            raise pickle.UnpicklingError("tensors of a type that is not read")
        dtype, name = key[1], str(key[2])
        if name not in self._storages:
            self._storages[name] = _Storage(self._read_storage(name, dtype))
        return self._storages[name]

    def _read_storage(self, name: str, dtype: torch.dtype) -> Tensor:
        info = self._archive.getinfo(f"{self._folder}data/{name}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError("its tensors are compressed, as torch never saves them")
        content = self._archive.read(info)  # checks the checksum
        if not content:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(bytearray(content), dtype=dtype)

    def load_build(self) -> None:
        """Give an object its state: to unread ones alone, because a state may replace anything."""
        state = self.stack.pop()
        if isinstance(self.stack[-1], Unread) and isinstance(state, dict):
            self.stack[-1].attributes = {str(key): value for key, value in state.items()}

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: load_build,
    }


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_rest: Any) -> Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without numbers")
    numbers = (offset, *size, *stride)
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise pickle.UnpicklingError(f"a tensor of {numbers}")
    if len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise pickle.UnpicklingError(f"a tensor with {len(size)} sizes and {len(stride)} strides")
    # A stride of 0 would make a large tensor of one number.
    if math.prod(size) > len(storage.values):
        raise pickle.UnpicklingError(
            f"a tensor of {tuple(size)} from {len(storage.values)} numbers"
        )
    return torch.as_strided(storage.values, size, stride, offset)


def _first(value: Any = None, *_rest: Any) -> Any:
    return value


_STAND_INS: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_parameter_with_state"): _first,
    # Lists and dictionaries of TorchScript.
    ("torch.jit._pickle", "build_intlist"): _first,
    ("torch.jit._pickle", "build_doublelist"): _first,
    ("torch.jit._pickle", "build_boollist"): _first,
    ("torch.jit._pickle", "build_tensorlist"): _first,
    ("torch.jit._pickle", "restore_type_tag"): _first,
    ("torch", "Size"): _first,
}
