"""Entry of the dashboard: `streamlit run app`, or `streamlit run app -- --runs DIR`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

# `streamlit run app` puts this folder on the path, not the project's root above it.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

import streamlit as st  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from streamlit.runtime.scriptrunner import RerunException  # noqa: E402

from app.parts import messages  # noqa: E402
from app.server import site, uploads  # noqa: E402
from app.server.names import WrittenNames  # noqa: E402
from app.shell import credits, live, options, sidebar, state, styles  # noqa: E402
from app.views import PAGES, Entry  # noqa: E402

_ICON = Path(__file__).with_name("icon.svg")


def main() -> None:
    """Runs the script once: the frame, and in it the current page."""
    st.set_page_config("LIMoE Lens", str(_ICON), layout="wide")
    styles.apply()
    pages = [
        st.Page(
            partial(_show, entry),
            title=entry.title,
            icon=entry.icon,
            url_path=entry.path,
            default=entry is PAGES[0],
        )
        for entry in PAGES
    ]
    st.navigation(pages).run()


def _show(entry: Entry) -> None:
    state.begin(entry.path)
    whole = True
    try:
        styles.heading(entry.title, entry.question)
        folder = _runs_folder()
        runs = sidebar.find_runs(folder)
        run = None if runs is None else sidebar.choose_run(runs)
        live.watch(folder, run)
        if run is not None:
            sidebar.show_page(entry.show, run)
            credits.show(run)
        if runs is not None:
            sidebar.list_broken(runs)
    except RerunException:  # the reader was faster: what comes next says where the reader is
        whole = False
        raise
    finally:
        if whole:
            state.publish()
        uploads.note_taken()


def _runs_folder() -> Path:
    try:
        return options.parse(sys.argv[1:]).runs
    except options.OptionsError as error:
        messages.say("error", str(error))
        return options.SHIPPED_RUNS


if __name__ == "__main__":  # Streamlit runs the script under this name, for each reader's click
    main()
else:  # the server imports it once
    _PATHS = {entry.path: "" if entry is PAGES[0] else entry.path for entry in PAGES}
    app = st.App(
        __file__,
        middleware=(*site.MIDDLEWARE, Middleware(WrittenNames, pages=_PATHS)),
        lifespan=site.lifespan,
    )
