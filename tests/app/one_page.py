"""Opens one page of the dashboard without a browser, as the entry script does it."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest


def _script(module: str, folder: str) -> None:
    from pathlib import Path

    from app.shell import sidebar, state
    from app.views import PAGES

    entry = next(entry for entry in PAGES if entry.module == module)
    state.begin(entry.path)
    try:
        runs = sidebar.find_runs(Path(folder))
        run = None if runs is None else sidebar.choose_run(runs)
        if run is not None:
            sidebar.show_page(entry.show, run)
    finally:
        state.publish()


def open_page(module: str, folder: Path, **address: str) -> AppTest:
    """The page `module` on a folder of runs, with what the address bar says."""
    page = AppTest.from_function(
        _script, default_timeout=180, kwargs={"module": module, "folder": str(folder)}
    )
    for name, value in address.items():
        page.query_params[name] = value
    return page.run()


def said(page: AppTest) -> str:
    """All words that the page says outside of tables and figures."""
    parts = [page.info, page.warning, page.error, page.markdown, page.caption, page.header]
    return "\n".join(str(element.value) for kind in parts for element in kind)


def figures(page: AppTest) -> list[dict]:
    """The figures on the page, as Plotly's JSON."""
    import json

    return [json.loads(element.proto.spec) for element in page.get("plotly_chart")]


def frames(page: AppTest) -> list:
    """The tables on the page, as pandas frames."""
    return [element.value for element in page.dataframe]


def component(page: AppTest, name: str) -> dict:
    """The data of the page's component of that name."""
    import json

    found = [
        json.loads(element.proto.json)
        for element in page.get("bidi_component")
        if element.proto.component_name == f"limoe_lens.{name}"
    ]
    assert len(found) == 1
    return found[0]


def told(page: AppTest, channel: str) -> dict:
    """What the page's components were told through a channel."""
    import json

    for element in page.get("bidi_component"):
        if element.proto.component_name == "limoe_lens.channel":
            found = json.loads(element.proto.json)
            if found["channel"] == channel:
                return found["content"]
    raise AssertionError(f"nothing was told through {channel}")
