"""Messages to the reader. Text from outside is shown as text, never as markup."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import streamlit as st

from analysis.characters import seen
from analysis.errors import AnalysisError
from limoe_core.config import ConfigError
from limoe_core.runs import RunError

_LOG = logging.getLogger(__name__)

Kind = Literal["info", "warning", "error"]

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&@/^=])")
_LONGEST = 300


def plain(text: object, longest: int = _LONGEST) -> str:
    """`text` escaped for Markdown, on one line, shortened if it is long."""
    return _MARKUP.sub(r"\\\1", visible(text, longest))


def visible(text: object, longest: int = _LONGEST) -> str:
    """`text` on one line, shortened if it is long, its invisible characters made visible."""
    whole = str(text)
    words = " ".join(whole[: 4 * longest].split())  # before anything takes long
    if len(words) > longest or len(whole) > 4 * longest:
        words = words[: longest - 1] + "…"
    return seen(words)


def visible_lines(text: str, longest: int) -> str:
    """`visible`, with line breaks and spaces kept."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return seen(cut, keep="\n\t")


def say(kind: Kind, sentence: object) -> None:
    """Shows a sentence in a box. Markup in it is not interpreted."""
    box = {"info": st.info, "warning": st.warning, "error": st.error}[kind]
    icon = {"info": "info", "warning": "warning", "error": "error"}[kind]
    box(plain(sentence, longest=1200), icon=f":material/{icon}:")


@contextmanager
def spoken(run: str) -> Iterator[None]:
    """Turns what goes wrong while something is drawn into a sentence in its place.

    A run may come from anybody, and its reader may go on to other pages and other runs. The trace
    of an error that nobody expected stands in the server's log and not on the page, which may be
    seen by people who should not see the server's paths.
    """
    try:
        yield
    except (RunError, AnalysisError, ConfigError) as error:
        say("error", f"This cannot be shown: {error}")
    except OSError as error:  # a file went away, or may not be read
        say("error", file_trouble(run, error))
    except Exception:  # Streamlit's own control flow is made of BaseExceptions
        _LOG.exception("a page of the run %r could not be drawn", run)
        say(
            "error",
            f"This cannot be shown, for a reason that nobody foresaw: something in {run} may be "
            "damaged. The server's log has the details; other pages and other runs are not "
            "touched.",
        )


def file_trouble(run: str, error: OSError) -> str:
    """The message for a file of a run that could not be read."""
    file = f" ({error.filename})" if error.filename else ""
    return (
        f"A file of {run}{file} could not be read: {error.strerror or error}. If the run was "
        "moved or deleted while it was shown, choose another one in the sidebar, or reload this "
        "page."
    )


def counted(number: int, thing: str, plural: str | None = None) -> str:
    """A number with its noun: "1 pair", "6,240 tokens"."""
    return f"{number:,} {thing if number == 1 else plural or thing + 's'}"
