"""What each token of a prompt is: its kind, its piece of text, and the picture that it is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from jaxtyping import Bool, Integer, UInt8

from limoe_core.recording.errors import RecordingError
from limoe_core.recording.prompts import Prompt

#: Of a picture; of the pair's own text; marks of the tokenizer; other words of the template.
KINDS = ("image", "text", "special", "prompt")
_IMAGE, _TEXT, _SPECIAL, _PROMPT = range(4)
#: What tokenizers begin a word with.
_MARKS = ("▁", "Ġ")


@dataclass(frozen=True, eq=False)
class Tokens:
    """The n tokens of one pair, without padding."""

    kind: UInt8[np.ndarray, " n"]
    """Places in `KINDS`."""
    piece: np.ndarray
    """(n,) str: as in a trace, "" for image tokens."""
    offset: Integer[np.ndarray, "n 2"]
    """Where the piece is in the prompt; -1 where it has no place there."""
    picture: Integer[np.ndarray, " n"]
    """The picture of the pair that an image token is of; -1 for others."""
    position: Integer[np.ndarray, " n"]
    """Place of an image token in its picture, of any other among the others."""


def describe(
    ids: Integer[np.ndarray, " n"],
    of_image: Bool[np.ndarray, " n"],
    prompt: Prompt,
    tokenizer: Any,
    counts: Sequence[int] | None,
    pictures: int,
    add_special_tokens: bool,
) -> Tokens:
    """
    Args:
      ids: what the model reads; the processor has put patches in the place of marks.
      of_image: the tokens of patches.
      counts: how many tokens each picture has; None where that is not known.
      pictures: how many pictures the pair has.
      add_special_tokens: whether the tokenizer was asked to add its own.

    Raises:
      RecordingError: it cannot be told which picture a token is of.
    """
    special = np.isin(ids, _special_ids(tokenizer))
    names = tokenizer.convert_ids_to_tokens(ids.tolist())
    offset = _places(ids, of_image, prompt.text, tokenizer, add_special_tokens)
    start, end = prompt.caption
    placed = offset[:, 0] >= 0
    if placed.any():
        in_caption = placed & (offset[:, 0] < end) & (offset[:, 1] > start)
    else:  # a tokenizer that does not say where its pieces are
        in_caption = ~special
    kind = np.where(special, _SPECIAL, np.where(in_caption, _TEXT, _PROMPT))
    kind = np.where(of_image, _IMAGE, kind).astype(np.uint8)
    ends = np.concatenate([[0], offset[:-1, 1]])
    piece = np.array(
        [
            "" if image else str(name) if mark else _piece(str(name), prompt.text, *map(int, at))
            for image, mark, name, at in zip(
                of_image, special, names, np.column_stack([offset, ends]), strict=True
            )
        ],
        np.str_,
    )
    offset[of_image] = -1
    picture = _pictures(of_image, counts, pictures)
    position = np.zeros(len(ids), np.int32)
    for each in np.unique(picture):
        here = picture == each
        position[here] = np.arange(here.sum())
    return Tokens(kind, piece, offset, picture, position)


def knows_places(tokenizer: Any) -> bool:
    """Whether a tokenizer says where its pieces are in a text."""
    return bool(getattr(tokenizer, "is_fast", False))


def _places(
    ids: Integer[np.ndarray, " n"],
    of_image: Bool[np.ndarray, " n"],
    text: str,
    tokenizer: Any,
    add_special_tokens: bool,
) -> Integer[np.ndarray, "n 2"]:
    """Where tokens lie in the prompt, found by the prompt's own tokens.

    A processor puts patches, and marks around them, in the place of the mark of a picture; all
    other tokens are those of the prompt, in its order.
    """
    offset = np.full((len(ids), 2), -1, np.int32)
    if not knows_places(tokenizer):
        return offset
    plain = tokenizer(
        text, add_special_tokens=add_special_tokens, return_offsets_mapping=True, truncation=False
    )
    others = np.flatnonzero(~of_image)
    matcher = SequenceMatcher(None, ids[others].tolist(), list(plain["input_ids"]), autojunk=False)
    spans = np.array(plain["offset_mapping"], np.int32).reshape(-1, 2)
    for mine, theirs, size in matcher.get_matching_blocks():
        offset[others[mine : mine + size]] = spans[theirs : theirs + size]
    offset[offset[:, 0] == offset[:, 1]] = -1  # what the tokenizer added itself
    return offset


def _piece(name: str, text: str, start: int, end: int, before: int) -> str:
    """The text of a token, with ▁ before a word.

    Args:
      before: where the token before it ends, as a space may be a token of its own.
    """
    if start < 0:
        return name
    said = text[start:end]
    if not said.strip():
        return said
    after_space = start > before and text[start - 1].isspace()
    begins = start == 0 or after_space or said[0].isspace() or name.startswith(_MARKS)
    return ("▁" if begins else "") + said.strip()


def _pictures(
    of_image: Bool[np.ndarray, " n"], counts: Sequence[int] | None, pictures: int
) -> Integer[np.ndarray, " n"]:
    """The picture of each token: as counted, or by runs of patches, of which each has one."""
    found = np.full(len(of_image), -1, np.int32)
    total = int(of_image.sum())
    begins = of_image & ~np.concatenate([[False], of_image[:-1]])
    if counts is not None and sum(counts) == total:
        found[of_image] = np.repeat(np.arange(len(counts)), counts)
    elif begins.sum() == pictures:
        found[of_image] = (np.cumsum(begins) - 1)[of_image]
    elif pictures == 1:
        found[of_image] = 0
    elif total:
        raise RecordingError(
            f"the {total} image tokens of {pictures} pictures cannot be told apart; record pairs "
            "of one picture with this model"
        )
    return found


def _special_ids(tokenizer: Any) -> Sequence[int]:
    added = getattr(tokenizer, "added_tokens_decoder", {})
    marked = [number for number, token in added.items() if getattr(token, "special", False)]
    return [*tokenizer.all_special_ids, *marked]
