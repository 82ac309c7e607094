"""Which columns of a table hold what, by their usual names."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from limoe_core.config import ConfigError
from limoe_core.data.importing.files import is_picture, not_utf8
from limoe_core.data.importing.records import DEFAULT_LANGUAGE, Caption, Problem, split_in_column

#: In the order in which they are looked for.
_IMAGE = (
    *("file_name", "filename", "image", "img", "picture", "image_name", "image_path"),
    *("image_file", "file", "filepath", "file_path", "path", "image_bytes", "jpg", "png"),
)
_TEXT = (
    *("text", "texts", "caption", "captions", "description", "sentence", "sentences", "prompt"),
    *("comment", "alt", "alt_text", "title"),
)
_LABEL = ("label", "labels", "class", "class_name", "cls", "fine_label")
_CATEGORY = ("category", "categories", "topic", "genre", "supercategory")
_SPLIT = ("split", "subset", "partition")
_LANGUAGE = ("language", "lang", "locale")
_OF_LANGUAGE = re.compile(
    r"(?P<plain>(text|caption|description|title)s?)[_-](?P<language>[a-z]{2})"
    r"(?P<region>[_-][a-z]{2,4})?",
    re.IGNORECASE,
)
#: As in `caption_1`, `caption_2`.
_NUMBERED = re.compile(
    r"(?P<plain>(text|caption|description|sentence)s?)[_-]?\d{1,2}", re.IGNORECASE
)
#: Longer lists in one cell are not looked for, in characters.
_LONGEST_LIST = 100_000
#: Codes of ISO 639-1, so that `text_no` is Norwegian and `text_v2` is no language.
_CODES = frozenset(
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da "
    "de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy "
    "hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg "
    "li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or "
    "os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta "
    "te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu".split()
)
#: What the language of a text may be called; it becomes a column's name and part of pages.
_TAG = re.compile(r"[a-z]{2,3}([_-][a-z0-9]{2,8})*", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """Names of columns by their meaning; "" where there is none."""

    image: str
    texts: tuple[tuple[str, str], ...]
    """Columns of texts and the language of each; "" where a column or nothing says it."""
    label: str = ""
    category: str = ""
    split: str = ""
    language: str = ""

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        image: str | None = None,
        text: str | None = None,
        *,
        where: str,
    ) -> Columns:
        """Finds the columns by their names, letter case aside.

        Args:
          names: all columns.
          image: the one that names or holds pictures, if it is given; "" if none is needed.
          text: the one with texts, if it is given.
          where: the table, for messages.

        Raises:
          ConfigError: a column that was named is not there.
        """
        by_name = {name.strip().casefold(): name for name in reversed(names)}

        def first(usual: Sequence[str]) -> str:
            return next((by_name[name] for name in usual if name in by_name), "")

        for given, option in ((image, "image-column"), (text, "text-column")):
            if given and given not in names:
                raise ConfigError(
                    f"{where} has no column {given!r} (--data.{option}); it has {_listed(names)}"
                )
        texts = _texts(names) or tuple((name, "") for name in (first(_TEXT),) if name)
        return cls(
            image=first(_IMAGE) if image is None else image,
            texts=((text, ""),) if text else texts,
            label=first(_LABEL),
            category=first(_CATEGORY),
            split=first(_SPLIT),
            language=first(_LANGUAGE),
        )

    @property
    def has_texts(self) -> bool:
        """Whether there is a column of texts or of classes."""
        return bool(self.texts or self.label)

    def captions(self, row: Mapping[str, Any], where: str) -> Iterator[Caption | Problem]:
        """The texts of a row; a column may hold one, a list, or texts by language."""
        said = self.value(row, self.language)
        for name, language in self.texts:
            column = f"{where}, column {name}" if len(self.texts) > 1 else where
            yield from _captions(row.get(name), language or _language(said, where), column)

    def value(self, row: Mapping[str, Any], column: str) -> str:
        """A value as text; "" where there is none, or it is not UTF-8."""
        value = row.get(column) if column else None
        if isinstance(value, bytes):
            value = value.decode(errors="ignore")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return "" if _is_nothing(value) or isinstance(value, list | dict) else _whole(str(value))

    def split_of(self, row: Mapping[str, Any], where: str) -> str:
        """The split that a row says it is of; "" for none."""
        return split_in_column(self.value(row, self.split), where)


def picture_column(schema: pa.Schema) -> str:
    """The column of bytes, or of a struct with bytes as Hugging Face has it; "" for none.

    Of several, it is the one with a usual name, else the first.
    """
    names = [field.name for field in schema if _holds_bytes(field.type)]
    return Columns.of(names, where="").image or next(iter(names), "")


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def cannot_find(what: str, names: Sequence[str], option: str, where: str) -> ConfigError:
    """The error where no column of a kind is found."""
    if any(is_picture(Path(name)) for name in names):
        return ConfigError(
            f"the first line of {where} names a picture, and should name the columns, as in "
            "file_name,text"
        )
    return ConfigError(
        f"{where} has no column with {what} under a usual name; name it with --data.{option}. It "
        f"has {_listed(names)}"
    )


def _texts(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Columns of texts by language, such as `text_de`, or numbered, such as `caption_1`.

    A column `text` beside `text_de` is one of them, in the language that is not said.
    """
    found = {}  # what the name is without its ending, and the language
    for name in names:
        match = _OF_LANGUAGE.fullmatch(name.strip())
        if match and match["language"].casefold() in _CODES:
            found[name] = match["plain"], _tag(match["language"] + (match["region"] or ""))
    # By itself, `caption_id` is a number and not Indonesian.
    if all(language == "id" for _, language in found.values()):
        numbered = {name: _NUMBERED.fullmatch(name.strip()) for name in names}
        found = {name: (match["plain"], "") for name, match in numbered.items() if match}
    plain = {stem.casefold() for stem, _ in found.values()}
    return tuple(
        (name, found[name][1] if name in found else "")
        for name in names
        if name in found or name.strip().casefold() in plain
    )


def _captions(value: Any, language: str, where: str) -> Iterator[Caption | Problem]:
    if _is_nothing(value):
        return
    if isinstance(value, str) and (written := _written(value.strip())) is not None:
        value = written
    if isinstance(value, Mapping):
        text = next((value[name] for name in ("text", "caption", "raw") if name in value), None)
        if text is not None:
            said = value.get("language")
            yield from _captions(text, _language(said, where) if said else language, where)
        else:
            for tag, text in value.items():
                yield from _captions(text, _language(str(tag), where), where)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _captions(each, language, where)
    elif isinstance(value, bytes):
        try:
            yield Caption(value.decode().strip(), language)
        except UnicodeDecodeError as error:
            yield not_utf8(where, error)
    else:
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:  # escapes of bytes that could not be decoded, or lone surrogates
            yield Problem("text", where, "it is not UTF-8")
            return
        yield Caption(text.strip(), language)


def _is_nothing(value: Any) -> bool:
    """Whether a cell is empty, which is NaN in tables of numbers."""
    return value is None or (isinstance(value, float) and value != value)


def _written(text: str) -> list[str] | dict[str, Any] | None:
    """Texts that are written as a list, or by language, into one cell; None if they are not.

    The list may be that of JSON, or of Python as pandas writes it into a CSV file.
    """
    if text[:1] + text[-1:] not in ("[]", "{}") or len(text) > _LONGEST_LIST:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings():  # of backslashes in texts
                warnings.simplefilter("ignore")
                found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and all(isinstance(each, str) for each in found):
            return found
        if isinstance(found, dict) and all(map(_is_of_language, found, found.values())):
            return found
    return None


def _is_of_language(name: Any, text: Any) -> bool:
    said = isinstance(text, str | list) or text is None
    return said and _tag(str(name)).partition("-")[0] in _CODES


def _language(value: str | None, where: str) -> str:
    said = (value or "").strip()
    if said and not _TAG.fullmatch(said):
        raise ConfigError(
            f"{where}: {said[:50]!r} is not the code of a language, such as en or pt-BR"
        )
    return _tag(said) or DEFAULT_LANGUAGE


def _tag(language: str) -> str:
    """`pt_br` and `pt-BR` are one language."""
    return language.replace("_", "-").casefold()


def _whole(text: str) -> str:
    return text.encode(errors="ignore").decode().strip()


def _listed(names: Sequence[str]) -> str:
    shown = [name[:50] for name in names[:20]]
    return ", ".join(map(repr, shown)) + (", …" if len(names) > 20 else "")
