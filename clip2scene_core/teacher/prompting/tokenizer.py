"""Text to token numbers by CLIP's byte pairs: all of them, or only the trained ones."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from clip2scene_core.teacher.openclip import open_clip

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


class PromptError(ValueError):
    """A prompt that the text tower cannot read; the message is one line for the user."""


class Tokenizer(Protocol):
    """The interface of a tokenizer for CLIP's text tower."""

    @property
    def context_length(self) -> int:
        """Maximum number of tokens of a text, including start and end."""

    @property
    def padding(self) -> int:
        """The token that fills a row after its text."""

    @property
    def is_padded(self) -> bool:
        """Whether every row is padded to the context length, because the text tower reads all."""

    def check_prompt(self, prompt: str) -> None:
        """Raise PromptError if the prompt has a word that the text tower does not know."""

    def encode(self, text: str) -> list[int]:
        """Turn a text into tokens, with those at its start and end."""


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words; punctuation, hyphens and underscores separate."""
    return _WORD.findall(text.lower())


@dataclass(frozen=True)
class CompactBytePairTokenizer:
    """The trained part of CLIP's byte pairs, with new numbers for a small embedding table.

    A word is known if all its pieces occur in training captions. So words can be combined in new
    ways, and some words that no caption has are known from their pieces ("minibus" from "minivan"
    and "bus"). Punctuation, hyphens and underscores separate words and have no token.

    Attributes:
        pieces: Trained byte pairs, as numbers of CLIP's full vocabulary, sorted; pieces[i] is token
            i + 1 (token 0 is padding).
        prompt_pieces: The pieces of captions. Pieces that occur only in templates ("origami") have
            a token, but a prompt must not use them.
        words: The words of the captions, sorted; users see this list.
        context_length: Maximum number of tokens of a text, including start and end.
    """

    pieces: tuple[int, ...]
    prompt_pieces: frozenset[int]
    words: tuple[str, ...]
    context_length: int

    padding: ClassVar[int] = 0
    is_padded: ClassVar[bool] = False

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
        """The token before every text."""
        return len(self.pieces) + 1

    @property
    def end_token(self) -> int:
        """The token after every text, the largest number, because CLIP finds it by argmax."""
        return len(self.pieces) + 2

    @property
    def size(self) -> int:
        """Number of tokens: padding, pieces, start, end."""
        return len(self.pieces) + 3

    def check_prompt(self, prompt: str) -> None:
        """Raise PromptError for the first word of the prompt that has an untrained piece."""
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
        """Turn a text into tokens, with those at its start and end.

        Raises:
            KeyError: For a piece without a token; call check_prompt first.
        """
        tokens: dict[int, int] = object.__getattribute__(self, "_tokens")
        of_text = [tokens[piece] for word in split_words(text) for piece in _pieces_of(word)]
        return [self.start_token, *of_text, self.end_token]


class BytePairTokenizer:
    """All byte pairs of CLIP, from open_clip's tokenizer; it can encode every text."""

    padding = 0
    is_padded = False

    def __init__(self, context_length: int) -> None:
        self._tokenizer = _clip_byte_pairs()
        self.context_length = context_length
        self._start: int = self._tokenizer.sot_token_id
        self._end: int = self._tokenizer.eot_token_id

    def check_prompt(self, prompt: str) -> None:
        """Accept every prompt."""

    def encode(self, text: str) -> list[int]:
        """Turn a text into tokens, with those at its start and end."""
        return [self._start, *self._tokenizer.encode(text), self._end]


@cache
def _clip_byte_pairs() -> open_clip.SimpleTokenizer:
    """CLIP's 49,408 byte pairs, from a file in open_clip's package; it is slow to read."""
    from clip2scene_core.teacher.openclip import open_clip

    return open_clip.SimpleTokenizer()


@lru_cache(maxsize=4096)  # templates and captions have few different words
def _pieces_of(word: str) -> tuple[int, ...]:
    """The byte pairs of a word, as numbers of CLIP's full vocabulary."""
    return tuple(_clip_byte_pairs().encode(word))
