"""Text to ids and back: SentencePiece, trained on the captions, with bytes as a last resort."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sentencepiece
from jaxtyping import Int32

from limoe_core.config import ConfigError
from limoe_core.text import NormalForm, NormalText

PAD = 0
_UNKNOWN = 1

# A long text is read from its beginning, this many characters per token of the limit at first. No
# piece is longer than 16, so that is enough unless the text begins with what is no token at all.
_CHARACTERS_PER_TOKEN = 32


@dataclass(frozen=True)
class EncodedText:
    """One text as the model reads it."""

    ids: Int32[np.ndarray, " t"]
    """Ids of the tokens, without padding."""
    pieces: list[str]
    """What each token stands for, word beginnings marked with ▁."""
    cut: str
    """The end of the text that did not fit, as it was written; "" if all did."""


class Tokenizer:
    """A SentencePiece unigram model. No text is untokenizable: what it never saw becomes bytes.

    Every text is brought to its normal form first (`limoe_core.text`), in training and in use. Case
    is folded and Unicode normalised (NFKC). Id 0 is padding, 1 unknown (never produced). An empty
    text, or one of white space and invisible characters alone, has no tokens.
    """

    def __init__(self, model: bytes) -> None:
        """From the bytes of a SentencePiece model.

        Raises:
          ValueError: these are not the bytes of a tokenizer of this kind.
        """
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise ValueError("not a SentencePiece model, or a damaged one") from error
        if self._processor.pad_id() != PAD:
            raise ValueError("a SentencePiece model of another project: its padding id is not 0")
        self._model = model
        self._form = NormalForm.known(
            self._processor.IdToPiece(i) for i in range(self._processor.GetPieceSize())
        )

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[bytes]]:
        return Tokenizer, (self._model,)

    @classmethod
    def train(cls, captions: Iterable[str], vocab_size: int, *, at_most: bool = False) -> Tokenizer:
        """A vocabulary for these captions. The same captions give the same tokenizer.

        Args:
          captions: texts in any languages.
          vocab_size: pieces, with padding, unknown and the 256 bytes among them.
          at_most: give fewer pieces where there is too little text for so many.

        Raises:
          ConfigError: there is too little text for so many pieces, or too many characters for so
            few.
        """
        out = io.BytesIO()
        form = NormalForm()
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=iter(sorted({form(caption).text for caption in captions})),
                model_writer=out,
                model_type="unigram",
                vocab_size=vocab_size,
                character_coverage=1.0,
                byte_fallback=True,
                hard_vocab_limit=not at_most,
                normalization_rule_name="nmt_nfkc_cf",
                pad_id=PAD,
                unk_id=_UNKNOWN,
                bos_id=-1,
                eos_id=-1,
                num_threads=1,  # With several, the order of floating-point sums may vary.
                minloglevel=2,
            )
        except RuntimeError as error:
            raise ConfigError(_explained(str(error), vocab_size)) from error
        return cls(out.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """From a file that `save` wrote."""
        return cls(Path(path).read_bytes())

    def save(self, path: str | Path) -> None:
        """Writes a SentencePiece model file, which other programs can read too."""
        Path(path).write_bytes(self._model)

    @property
    def vocab_size(self) -> int:
        """Number of pieces."""
        return self._processor.GetPieceSize()

    @property
    def vocabulary(self) -> list[str]:
        """Every piece, by id; word beginnings are marked with ▁, bytes written like <0x0A>."""
        return [self._processor.IdToPiece(i) for i in range(self.vocab_size)]

    def normal(self, text: str) -> NormalText:
        """A text as it is tokenized, and what was changed for that.

        Of an apostrophe's, a quotation mark's or a dash's variants it has the one that the
        vocabulary knows.
        """
        return self._form(text)

    def encode(self, texts: Sequence[str], length: int) -> Int32[np.ndarray, "n length"]:
        """Ids of texts, filled up with 0; longer ones are cut.

        A text without a real token (empty, white space) gives padding alone; callers decide what
        that means.
        """
        out = np.full((len(texts), length), PAD, np.int32)
        for row, text in enumerate(texts):
            kept = self._processor.EncodeAsIds(self._beginning(text, length).text)[:length]
            out[row, : len(kept)] = kept
        return out

    def encode_one(self, text: str, length: int) -> EncodedText:
        """One text with its pieces, and the part of it that did not fit.

        A character of several tokens that only fits in part counts as one that did not fit.
        """
        beginning = self._beginning(text, length)
        read = self._processor.EncodeAsOffsetMapping(beginning.text)
        ids, starts = read["ids"], [start for start, _ in read["offsets"]]
        # A character's tokens all begin where it begins, and only the last of them ends behind it.
        end = beginning.written(starts[length]) if len(ids) > length else len(text)
        return EncodedText(
            ids=np.array(ids[:length], np.int32), pieces=read["pieces"][:length], cut=text[end:]
        )

    def _beginning(self, text: str, length: int) -> NormalText:
        """The normal form of as much of a text as decides its first `length` tokens."""
        size = length * _CHARACTERS_PER_TOKEN
        while True:
            beginning = self.normal(text[:size])
            # Twice the limit, since the last tokens would look different if the text went on.
            if size >= len(text) or len(self._processor.EncodeAsIds(beginning.text)) >= 2 * length:
                return beginning
            size *= 4

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """What each id stands for; ids of padding are left out."""
        return [self._processor.IdToPiece(int(i)) for i in ids if int(i) != PAD]


def _explained(error: str, vocab_size: int) -> str:
    """SentencePiece's complaint in words a user can act on."""
    limit = re.search(r"value <= (\d+)", error)
    if limit:
        return (
            f"model.vocab_size {vocab_size} is more than these captions give pieces for; set it to "
            f"at most {limit[1]}"
        )
    least = re.search(r"required_chars\. \d+ vs (\d+)", error)
    if least:
        return (
            f"model.vocab_size {vocab_size} is too small: the 256 bytes and every character of the "
            f"captions need a piece of their own; set it to at least {least[1]}"
        )
    return f"no tokenizer can be trained from these captions: {error.strip()}"
