"""Tokenizers of CLIPs without CLIP's byte pairs (SigLIP, SigLIP2, CLIPA), from two files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from clip2scene_core.files.damage import name_damage
from clip2scene_core.files.text import load_json, read_text
from clip2scene_core.teacher.openclip import get_clean_fn

TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer_config.json")
"""Vocabulary with its rules, and the names of special tokens, as Hugging Face keeps them."""

_REMEDY: Final = "pip install 'clip2scene[tokenizers]'"
_DEFAULT_CLEANING: Final = "whitespace"
_REMOVED: Final = 0  # open_clip's token in the place of the separator


class HubTokenizer:
    """A tokenizer in Hugging Face's format, used as open_clip's HFTokenizer uses it.

    Args:
        folder: With TOKENIZER_FILES.
        context_length: Maximum number of tokens of a text. All texts are padded to it: these text
            towers are not causal, or read the last place.
        options: "tokenizer_kwargs" of open_clip's configuration: "clean" and "strip_sep_token".

    Attributes:
        context_length: Maximum number of tokens of a text.
        padding: The token that fills a row.

    Raises:
        ImportError: Without the package tokenizers; the message names the extra.
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged, or an option unknown.
    """

    is_padded = True

    def __init__(self, folder: Path, context_length: int, options: Mapping[str, Any]) -> None:
        kind = find_package()
        for name in TOKENIZER_FILES:
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"no {name} in {folder}; this CLIP has a tokenizer of its own, whose files "
                    f"{' and '.join(TOKENIZER_FILES)} must lie beside its weights"
                )
        unknown = set(options) - {"clean", "strip_sep_token"}
        if unknown:
            raise ValueError(f"its tokenizer has the options {', '.join(sorted(unknown))}")
        vocabulary, names = (folder / name for name in TOKENIZER_FILES)
        with name_damage(vocabulary, "tokenizer"):
            # The package raises bare exceptions.
            self._tokenizer = _load(kind, vocabulary)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        with name_damage(names, "tokenizer's configuration"):
            special = load_json(read_text(names))
            self.padding = self._number(special["pad_token"])
            is_stripped = bool(options.get("strip_sep_token"))
            self._separator = self._number(special["sep_token"]) if is_stripped else None
            if special.get("padding_side", "right") != "right":
                raise ValueError(
                    "it pads texts at their start, which open_clip's towers do not read"
                )
            # Gemma's configuration says whether there is a start and an end; its rules may not.
            no_start, has_end = special.get("add_bos_token") is False, special.get("add_eos_token")
            self._start = self._number(special["bos_token"]) if no_start else None
            self._end = self._number(special["eos_token"]) if has_end else None
        self._clean = get_clean_fn(options.get("clean", _DEFAULT_CLEANING))
        self.context_length = context_length

    def check_prompt(self, prompt: str) -> None:
        """Accept every prompt."""

    def encode(self, text: str) -> list[int]:
        """Turn a text into tokens, with those that the tokenizer puts around it."""
        tokens: list[int] = self._tokenizer.encode(self._clean(text)).ids
        if self._start is not None and tokens[:1] == [self._start]:
            tokens = tokens[1:]
        if self._end is not None and tokens[-1:] != [self._end]:
            tokens = [*tokens, self._end]
        return [_REMOVED if token == self._separator else token for token in tokens]

    def _number(self, token: str | Mapping[str, Any]) -> int:
        """Number of a special token, said by its text or by a record of it."""
        text = token if isinstance(token, str) else token["content"]
        number: int | None = self._tokenizer.token_to_id(text)
        if number is None:
            raise ValueError(f"the special token {text!r} is not in the vocabulary")
        return number


def find_package() -> Any:
    """Find the class of the package tokenizers that reads a file.

    Raises:
        ImportError: If the package is not there; the message names the extra.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ImportError(
            f"this CLIP has a tokenizer of its own, which needs a package: {_REMEDY}"
        ) from error
    return Tokenizer


def _load(kind: Any, path: Path) -> Any:
    try:
        return kind.from_file(str(path))
    except Exception as error:
        raise ValueError(str(error)) from error
