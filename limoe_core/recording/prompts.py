"""Pairs as the model reads them: its chat template, or a template of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from limoe_core.recording.errors import RecordingError

IMAGE_HERE, TEXT_HERE = "{image}", "{text}"


@dataclass(frozen=True, eq=False)
class RecordedPair:
    """A pair to record: a text, pictures, or both."""

    text: str = ""
    pictures: Sequence[Image.Image] = ()
    """Any number of them, as PIL images."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What is known of it: name, category, language, …"""


@dataclass(frozen=True)
class Prompt:
    """What the model reads of one pair, before its processor puts patches in the place of marks."""

    text: str
    caption: tuple[int, int]
    """First character and end of the pair's own text in it."""


class Template:
    """Makes prompts of pairs.

    Without a template of the user's, that of the model's chat is used: pictures are what the user
    sends, and the text is the answer, as in training on captions. A tokenizer without pictures
    gets the text alone, as in training on texts.
    """

    def __init__(self, processor: Any, template: str | None = None) -> None:
        """
        Args:
          processor: a processor of pictures and texts, or a tokenizer.
          template: words with {image}, for all pictures of a pair, and {text}.

        Raises:
          RecordingError: the template has neither {image} nor {text}.
        """
        if template is not None and not any(m in template for m in (IMAGE_HERE, TEXT_HERE)):
            raise RecordingError(f"the prompt {template[:60]!r} has neither {{image}} nor {{text}}")
        self._processor, self._template = processor, template
        self.sees = hasattr(processor, "image_processor")
        self.is_chat = (
            template is None and self.sees and bool(getattr(processor, "chat_template", None))
        )
        #: The mark that the processor puts patches in the place of; "" for a tokenizer.
        self.mark = str(getattr(processor, "image_token", "") or "") if self.sees else ""
        if template is None and self.is_chat:
            self.name = "the model's chat template: pictures, and the text as the answer"
        else:
            default = IMAGE_HERE + TEXT_HERE if self.sees else TEXT_HERE
            self._template = self.name = template or default

    def __call__(self, pair: RecordedPair) -> Prompt:
        """
        Raises:
          RecordingError: the pair is empty, has pictures that the model cannot take or that the
            template has no place for, or a text with the processor's mark in it.
        """
        text = pair.text.strip()
        if pair.pictures and not self.sees:
            raise RecordingError(
                f"{_called(pair)} has a picture, and {type(self._processor).__name__} takes none"
            )
        if self.mark and self.mark in text:
            raise RecordingError(
                f"{_called(pair)}: its text has {self.mark!r} in it, which stands for a picture"
            )
        if not text and not pair.pictures:
            raise RecordingError(f"{_called(pair)} has neither a picture nor a text")
        whole = self._chat(pair, text) if self.is_chat else self._filled(pair, text)
        start = whole.rfind(text)
        if start < 0:
            raise RecordingError(
                f"{_called(pair)}: the chat template changes its text; use --prompt"
            )
        return Prompt(whole, (start, start + len(text)))

    def _chat(self, pair: RecordedPair, text: str) -> str:
        user: list[dict[str, Any]] = [{"type": "image"} for _ in pair.pictures]
        said = [{"type": "text", "text": text}] if text else []
        turns = [{"role": "user", "content": user or said}]
        if user and said:
            turns.append({"role": "assistant", "content": said})
        return str(self._processor.apply_chat_template(turns, tokenize=False))

    def _filled(self, pair: RecordedPair, text: str) -> str:
        template = str(self._template)
        if pair.pictures and IMAGE_HERE not in template:
            raise RecordingError(
                f"the prompt {template[:60]!r} has no {{image}} for {_called(pair)}"
            )
        before, found, after = template.partition(TEXT_HERE)
        marks = self.mark * len(pair.pictures)
        # One after the other, so that a text with braces in it stays as it is.
        return (
            before.replace(IMAGE_HERE, marks)
            + (text if found else "")
            + after.replace(IMAGE_HERE, marks)
        )


def _called(pair: RecordedPair) -> str:
    return f"the pair {pair.about.get('name') or pair.text[:40]!r}"
