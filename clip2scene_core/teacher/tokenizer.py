"""Text to token numbers by CLIP's byte pairs: all of them, or only those that were trained."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Protocol

from clip2scene_core.teacher.openclip import open_clip

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


class PromptError(ValueError):
    """A prompt that the text tower cannot read; the message is one line for the user."""


class Tokenizer(Protocol):
    """What the text tower needs to know of its tokens."""

    @property
    def context_length(self) -> int:
        """Number of tokens that the text tower reads, start and end included."""

    @property
    def start_token(self) -> int:
        """The token in front of every text."""

    @property
    def end_token(self) -> int:
        """The token behind every text; the largest of all, because CLIP finds it by argmax."""

    def check_prompt(self, prompt: str) -> None:
        """Raise PromptError if the prompt holds a word that the text tower never saw."""

    def encode(self, text: str) -> list[int]:
        """Turn a text into tokens, start and end not included."""


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words; punctuation, hyphens and underscores separate."""
    return _WORD.findall(text.lower())


@dataclass(frozen=True)
class CompactBytePairTokenizer:
    """CLIP's byte pairs, numbered anew so that only those that were trained need a row.

    A word is read if all its pieces were trained in captions, so words may be put together in new
    ways, and some words that no caption held are read from their pieces ("minibus" from "minivan"
    and "bus"). Punctuation, hyphens and underscores separate words and have no token.

    Attributes:
        pieces: Trained byte pairs, as numbers in CLIP's own vocabulary, sorted; pieces[i] is token
            i + 1 (token 0 pads).
        prompt_pieces: Those that stood for something in the pictures. Pieces that occur in
            templates only ("origami") have a token, but no prompt may use them.
        words: The words of the captions, sorted; what is listed to users.
        context_length: Number of tokens that the text tower reads, start and end included.
    """

    pieces: tuple[int, ...]
    prompt_pieces: frozenset[int]
    words: tuple[str, ...]
    context_length: int

    @classmethod
    def of_captions(
        cls, captions: Iterable[str], templates: Iterable[str], context_length: int
    ) -> CompactBytePairTokenizer:
        """Collect the byte pairs of the captions and of the templates around them."""
        words = {word for caption in captions for word in split_words(caption)}
        other_words = {word for template in templates for word in split_words(template)}
        prompt_pieces = {piece for word in words for piece in _pieces_of(word)}
        other_pieces = {piece for word in other_words for piece in _pieces_of(word)}
        return cls(
            tuple(sorted(prompt_pieces | other_pieces)),
            frozenset(prompt_pieces),
            tuple(sorted(words)),
            context_length,
        )

    def __post_init__(self) -> None:
        tokens = {piece: token for token, piece in enumerate(self.pieces, start=1)}
        object.__setattr__(self, "_tokens", tokens)

    @property
    def start_token(self) -> int:
        """The token in front of every text."""
        return len(self.pieces) + 1

    @property
    def end_token(self) -> int:
        """The token behind every text, the largest of all."""
        return len(self.pieces) + 2

    @property
    def size(self) -> int:
        """Number of tokens: padding, pieces, start, end."""
        return len(self.pieces) + 3

    def check_prompt(self, prompt: str) -> None:
        """Raise PromptError for the first word of the prompt that holds an untrained piece."""
        for word in split_words(prompt):
            if self.prompt_pieces.issuperset(_pieces_of(word)):
                continue
            close = difflib.get_close_matches(word, self.words, n=3)
            closest = (
                f"closest known words: {', '.join(close)}" if close else "no known word is close"
            )
            raise PromptError(
                f"prompt {prompt!r}: the small CLIP never saw the word {word!r}; {closest}; "
                f"'clip2scene words' lists all {len(self.words)} that it knows"
            )

    def encode(self, text: str) -> list[int]:
        """Turn a text into tokens, start and end not included.

        Raises:
            KeyError: For a piece without a token; check_prompt says it to users beforehand.
        """
        tokens: dict[int, int] = object.__getattribute__(self, "_tokens")
        return [tokens[piece] for word in split_words(text) for piece in _pieces_of(word)]


class BytePairTokenizer:
    """CLIP's own tokens (byte pairs), from open_clip's tokenizer; every text can be encoded."""

    def __init__(self, context_length: int) -> None:
        self._tokenizer = _clip_byte_pairs()
        self.context_length = context_length
        self.start_token: int = self._tokenizer.sot_token_id
        self.end_token: int = self._tokenizer.eot_token_id

    def check_prompt(self, prompt: str) -> None:
        """Accept every prompt."""

    def encode(self, text: str) -> list[int]:
        """Turn a text into tokens, start and end not included."""
        tokens: list[int] = self._tokenizer.encode(text)
        return tokens


@cache
def _clip_byte_pairs() -> open_clip.SimpleTokenizer:
    """CLIP's 49,408 byte pairs, from the file in open_clip's package; reading it takes a while."""
    return open_clip.SimpleTokenizer()


@lru_cache(maxsize=4096)  # templates and captions repeat few words
def _pieces_of(word: str) -> tuple[int, ...]:
    """The byte pairs of a word, as numbers in CLIP's own vocabulary."""
    return tuple(_clip_byte_pairs().encode(word))
