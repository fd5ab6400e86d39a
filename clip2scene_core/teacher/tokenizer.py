"""Text to token numbers: whole words for the small CLIP, CLIP's byte pairs for all others."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
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
class WordTokenizer:
    """One token per word, and only words that were trained.

    Attributes:
        words: All words, sorted; word i is token i + 1 (token 0 pads).
        prompt_words: The words that stood for something in the pictures. Words that occur in
            templates only ("origami") have a token, but no prompt may use them.
        context_length: Number of tokens that the text tower reads, start and end included.
    """

    words: tuple[str, ...]
    prompt_words: frozenset[str]
    context_length: int

    @classmethod
    def of_captions(
        cls, captions: Iterable[str], templates: Iterable[str], context_length: int
    ) -> WordTokenizer:
        """Collect the words of the captions and of the templates around them."""
        prompt_words = {word for caption in captions for word in split_words(caption)}
        other_words = {word for template in templates for word in split_words(template)}
        return cls(
            tuple(sorted(prompt_words | other_words)), frozenset(prompt_words), context_length
        )

    def __post_init__(self) -> None:
        tokens = {word: token for token, word in enumerate(self.words, start=1)}
        object.__setattr__(self, "_tokens", tokens)

    @property
    def start_token(self) -> int:
        """The token in front of every text."""
        return len(self.words) + 1

    @property
    def end_token(self) -> int:
        """The token behind every text, the largest of all."""
        return len(self.words) + 2

    @property
    def size(self) -> int:
        """Number of tokens: padding, words, start, end."""
        return len(self.words) + 3

    def check_prompt(self, prompt: str) -> None:
        """Raise PromptError for the first word of the prompt that no picture showed."""
        for word in split_words(prompt):
            if word in self.prompt_words:
                continue
            close = difflib.get_close_matches(word, sorted(self.prompt_words), n=3)
            closest = (
                f"closest known words: {', '.join(close)}" if close else "no known word is close"
            )
            raise PromptError(
                f"prompt {prompt!r}: the small CLIP never saw the word {word!r}; {closest}; "
                f"'clip2scene words' lists all {len(self.prompt_words)} that it knows"
            )

    def encode(self, text: str) -> list[int]:
        """Turn a text into tokens, start and end not included.

        Raises:
            KeyError: For a word without a token; check_prompt says it to users beforehand.
        """
        tokens: dict[str, int] = object.__getattribute__(self, "_tokens")
        return [tokens[word] for word in split_words(text)]


class BytePairTokenizer:
    """CLIP's own tokens (byte pairs), from open_clip's tokenizer; every text can be encoded."""

    def __init__(self, context_length: int) -> None:
        self._tokenizer = open_clip.SimpleTokenizer(context_length=context_length)
        self.context_length = context_length
        self.start_token: int = self._tokenizer.sot_token_id
        self.end_token: int = self._tokenizer.eot_token_id

    def check_prompt(self, prompt: str) -> None:
        """Accept every prompt."""

    def encode(self, text: str) -> list[int]:
        """Turn a text into tokens, start and end not included."""
        tokens: list[int] = self._tokenizer.encode(text)
        return tokens
