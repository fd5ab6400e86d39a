"""What a file is that could not be read: people download pages, pointers and halves of files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Final

TORCH_SAVE: Final = "a PyTorch file (torch.save)"
TORCH_SCRIPT: Final = "a TorchScript archive"
SAFETENSORS: Final = "a safetensors file"
NO_FILE: Final = "a folder"

_HEAD_BYTES: Final = 4096
_LEGACY_TORCH: Final = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""A pickle of the magic number with which torch.save began before 1.6."""

_MAGIC: Final = (
    (_LEGACY_TORCH, TORCH_SAVE),
    (b"version https://git-lfs", "a Git LFS pointer in place of the file; 'git lfs pull' gets it"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"BZh", "a bzip2 archive; unpack it"),
    (b"\xfd7zXZ", "an xz archive; unpack it"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it"),
    (b"Rar!", "a RAR archive; unpack it"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89MCAP", "an MCAP recording"),
)
_MAX_SAFETENSORS_HEADER: Final = 100_000_000


def kind_of_file(path: Path) -> str:
    """Say in a few words what a file is, by its first bytes.

    Args:
        path: An existing file or folder.

    Returns:
        A noun with its article, at times with what to do behind a semicolon; "" if nobody knows.

    Raises:
        OSError: If it cannot be read.
    """
    if path.is_dir():
        return NO_FILE
    size = path.stat().st_size
    if not size:
        return "an empty file"
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it"
    return _kind_of_safetensors(path, head, size) or _kind_of_text(head)


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return "a zip archive (torch.save writes such) that is cut off; get the file again"
    if any(name.endswith("/data.pkl") for name in names):
        is_script = any(name.endswith("/constants.pkl") for name in names)
        return TORCH_SCRIPT if is_script else TORCH_SAVE
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy archive"
    return "a zip archive"


def _kind_of_safetensors(path: Path, head: bytes, size: int) -> str:
    """A safetensors file has the length of its header first, then the header as JSON."""
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or length > _MAX_SAFETENSORS_HEADER:
        return ""
    missing = 8 + length - size
    if missing <= 0:
        try:
            with path.open("rb") as file:
                file.seek(8)
                tensors = json.loads(file.read(length))
            ends = [row["data_offsets"][1] for key, row in tensors.items() if key != "__metadata__"]
            missing = 8 + length + max(ends, default=0) - size
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return "a safetensors file with a damaged header; get it again"
    if missing > 0:
        return f"a safetensors file that is cut off, {missing} bytes are missing; get it again"
    return SAFETENSORS


def _kind_of_text(head: bytes) -> str:
    if not any(head):
        return "a file of zeros, as a download leaves that never ended; get it again"
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a Python pickle"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "a web page in place of the file; get the file again"
    if start.startswith((b"{", b"[")):
        return "a JSON text"
    try:
        head[:-4].decode("utf-8")  # the last character may be cut
    except UnicodeDecodeError:
        return ""
    return "a text"
