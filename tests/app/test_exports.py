"""The Python that each page hands out makes what the page shows: every export of every view."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from streamlit.testing.v1 import AppTest

import limoe_core
from analysis.recipes import Recorded, record
from app.parts import export
from app.server import jobs
from app.views import PAGES
from app.views.experts.page import _VIEWS as EXPERTS
from app.views.zero_shot import pool
from app.views.zero_shot.page import _VIEWS as ZERO_SHOT
from limoe_core.runs import Run
from tests.app.evaluated_runs import some_pairs
from tests.app.one_page import figures, open_page
from tests.shipped import FOLDER, LIMOE, STEPS

ROOT = Path(__file__).parents[2]

#: A step between the first and the last, and names of pictures in the address bar.
EARLIER = str(STEPS[len(STEPS) // 2])
PICTURES = pool.of_set(record(pool._brought_along(LIMOE)[1], record(Run.open, LIMOE.path))).ids

Opened = Callable[..., AppTest]


@dataclass(frozen=True, eq=False)
class Export:
    """One box "Export" of a page."""

    frame: Recorded[pd.DataFrame]
    figures: Sequence[Recorded[Any]]
    file: str

    @property
    def code(self) -> str:
        return export.code(self.frame, *self.figures)


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In an empty folder, whatever data set and measurements this machine happens to have."""
    monkeypatch.chdir(tmp_path)
    has_data_set(monkeypatch, False)
    monkeypatch.setattr("app.views.experts.causal._cache", lambda: tmp_path / "causal")
    monkeypatch.setattr("app.views.embeddings.fitted._cache", lambda: tmp_path / "maps")


def has_data_set(monkeypatch: pytest.MonkeyPatch, here: bool) -> None:
    for module in (
        "app.views.zero_shot.pool",
        "app.views.experts.causal",
        "app.views.embeddings.source",
    ):
        monkeypatch.setattr(f"{module}.is_built", lambda config: here)


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[Export]:
    """What the pages opened in this test offer, in their order; emptied by `opened`."""
    found: list[Export] = []

    def note(frame: Any, figures: Any, file: str, what: str, more: str) -> None:
        found.append(Export(frame, figures, file))

    monkeypatch.setattr(export, "_folded", note)
    return found


def check(page: AppTest, exports: Sequence[Export], *, least: int = 1) -> None:
    """Runs what the page hands out, and compares it with what the page shows."""
    assert not page.exception
    assert not page.error
    assert len(exports) >= least
    assert len({each.file for each in exports}) == len(exports)
    drawn = []
    for each in exports:
        assert "app" not in imported(each.code)
        made: dict[str, Any] = {}
        exec(compile(each.code, each.file, "exec"), made)
        pd.testing.assert_frame_equal(made["frame"], each.frame.value, check_exact=True)
        assert made["frame"].to_csv(index=False).encode() == export.csv(each.frame)
        names = ["figure", *(f"figure_{n}" for n in range(2, len(each.figures) + 1))]
        drawn += [json.loads(made[name].to_json()) for name in names[: len(each.figures)]]
    # Not one figure on the page is without its lines, and none of the lines draws another one.
    shown = [plain(figure) for figure in figures(page)]
    players = [e for e in page.get("bidi_component") if "emergence" in e.proto.component_name]
    played = [run for player in players for run in json.loads(player.proto.json)["runs"]]
    still = [plain(figure) for figure in drawn if not figure.get("frames")]
    assert sorted(map(written, shown)) == sorted(map(written, still))
    moving = [[int(frame["name"]) for frame in f["frames"]] for f in drawn if f.get("frames")]
    assert moving == [run["steps"] for run in played]


def plain(figure: dict[str, Any]) -> dict[str, Any]:
    """A figure without the colour of its words, which is the page's."""
    figure["layout"].get("font", {}).pop("color", None)
    if not figure["layout"].get("font", True):
        del figure["layout"]["font"]
    for trace in figure["data"]:
        if trace["type"] == "heatmap" and "color" in trace.get("textfont", {}):
            del trace["textfont"]["color"]
            if not trace["textfont"]:
                del trace["textfont"]
    return figure


def written(figure: dict[str, Any]) -> str:
    return json.dumps(figure, sort_keys=True)


def imported(code: str) -> set[str]:
    """Top-level packages that lines of Python import."""
    nodes = list(ast.walk(ast.parse(code)))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in whole | parts}


# ---- every view of every page


#: Views of each page, by what the address bar says of them.
VIEWS: dict[str, list[dict[str, str]]] = {
    "routing": [
        {},
        {"example": "3", "step": "10"},
        {"routed": "alone-as-in-training"},
        {"text": "perro 'n' \"gato\" \\ 青い車", "step": EARLIER},
        {"picture": "none"},
    ],
    "experts": [
        *({"view": view} for view in EXPERTS if view not in ("causal", "sceptic")),
        {"view": "modalities", "step": EARLIER, "layer": "2"},
        {"view": "closely", "expert": "5"},
        {"view": "preferences", "tokens": "text", "by": "script"},
        {"view": "preferences", "by": "position"},
        {"view": "paths", "tokens": "text"},
    ],
    "interventions": [{}, {"change": "4.2.text.forced~2.0.both.silenced", "capacity": "half"}],
    "emergence": [{}, {"axis": "linear", "layer": "2"}, {"slice": "block_6:4"}],
    "embeddings": [
        {"point": "i3", "slice": "pair:0-30"},
        {"map": "texts", "x": "dog", "y": "voiture", "mine": "a dog\nperro"},
        {"of": "tokens", "layer": "4", "step": EARLIER},
        {"map": "umap", "step": "0", "seed": "1"},
    ],
    "training": [
        {},
        {"show": "routers", "layer": "2", "smooth": "30", "logx": "on", "with": ""},
        {"show": "optimizer", "x": "hours", "logy": "on"},
    ],
    "compare": [
        {},
        {"versus": LIMOE.name, "show": "experts"},
        {"versus": LIMOE.name, "at": EARLIER, "show": "routing", "example": "3"},
        {"versus": LIMOE.name, "show": "experts", "slice": "block_6:4"},
        {"show": "zero-shot", "slice": "category:Flags", "answered": "alike"},
    ],
    "zero_shot": [
        *({"show": view} for view in ZERO_SHOT),
        {"labels": "a red apple\nelma\nكلب", "template": 'the {}\'s "picture"', "step": EARLIER},
        {"pictures": PICTURES[3]},
        {"show": "search", "q": "la mer ☂"},
        {"show": "search", "find": "texts", "picture": PICTURES[7]},
        {"show": "accuracy", "k": "5", "group": "category", "versus": "none"},
        {"show": "confusions", "language": "ar"},
    ],
}


def test_every_page_is_among_the_views() -> None:
    assert set(VIEWS) == {entry.module for entry in PAGES}


@pytest.mark.parametrize(
    ("module", "address"),
    [
        pytest.param(
            module,
            address,
            marks=[pytest.mark.training]
            if module == "interventions"
            or {"umap", "tokens", "texts", "block_6:4"} & {*address.values()}
            else [],
        )
        for module, addresses in VIEWS.items()
        for address in addresses
    ],
    ids=str,
)
def test_what_a_view_hands_out_makes_what_it_shows(
    module: str, address: dict[str, str], exports: list[Export]
) -> None:
    check(open_page(module, FOLDER, run=LIMOE.name, **address), exports)


@pytest.mark.training
def test_the_sceptics_check(runs_folder: Path, exports: list[Export]) -> None:
    """Of a small run, since page and lines measure it anew."""
    check(open_page("experts", runs_folder, run="small", view="sceptic", check="asked"), exports)


def test_confusions_of_one_category(exports: list[Export]) -> None:
    page = open_page("zero_shot", FOLDER, run=LIMOE.name, show="confusions")
    exports.clear()
    box = page.selectbox(key="category")
    page = box.set_value(box.options[2]).run()
    check(page, exports, least=2)
    assert f"'en', {box.options[2]!r})" in exports[-1].code.replace("\n", " ")


def test_causal_specialisation(runs_folder: Path, exports: list[Export]) -> None:
    jobs.board.cache_clear()  # another test may have measured it
    page = open_page("experts", runs_folder, run="small", view="causal")
    assert not exports
    page = next(each for each in page.button if each.label == "Measure now").click().run()
    check(page, exports)
    exports.clear()
    check(open_page("experts", runs_folder, run="small", view="causal"), exports)  # now from disk


@pytest.mark.training
def test_effects_of_a_change_and_routes_of_a_token(
    runs_folder: Path, exports: list[Export]
) -> None:
    jobs.board.cache_clear()
    page = open_page("interventions", runs_folder, run="small", change="2.1.both.off")
    page = next(each for each in page.button if each.label == "Measure").click().run()
    exports.clear()
    page = next(each for each in page.button if each.label == "Try them").click().run()
    check(page, exports, least=5)


def test_two_runs_side_by_side(runs_folder: Path, tmp_path: Path, exports: list[Export]) -> None:
    import shutil

    for name in ("one", "it's another"):
        shutil.copytree(runs_folder / "small", tmp_path / "runs" / name)
    page = open_page("emergence", tmp_path / "runs", run="one", versus="it's another")
    check(page, exports, least=7)


def test_damaged_probe_traces_are_left_out_by_the_lines_too(
    runs_folder: Path, tmp_path: Path, exports: list[Export]
) -> None:
    import shutil

    shutil.copytree(runs_folder / "small", tmp_path / "runs" / "small")
    (tmp_path / "runs" / "small" / "probes" / "10.npz").write_bytes(b"torn")
    check(open_page("emergence", tmp_path / "runs"), exports, least=4)


def test_texts_that_no_browser_takes(
    runs_folder: Path, tmp_path: Path, exports: list[Export]
) -> None:
    import dataclasses
    import shutil

    from limoe_core.runs import Run

    run = Run.open(shutil.copytree(runs_folder / "small", tmp_path / "runs" / "small"))
    trace = run.probe(20)
    captions = trace.captions.astype(object)
    captions[0] = "half \ud800 a\0 character"
    run.save_probe(20, dataclasses.replace(trace, captions=captions.astype(str)))
    page = open_page("routing", tmp_path / "runs", example="0")
    check(page, exports)
    assert "analysis.readable(" in exports[0].code


# ---- where the data set is on this machine


@pytest.mark.parametrize(
    "address",
    [
        {},
        {"against": "all", "language": "ar", "pictures": "1F415.twemoji,2764.openmoji"},
        {"show": "search", "q": "red apple"},
        {"show": "search", "find": "texts", "language": "all"},
    ],
    ids=str,
)
def test_pictures_of_the_data_set(
    runs_folder: Path,
    exports: list[Export],
    monkeypatch: pytest.MonkeyPatch,
    address: dict[str, str],
) -> None:
    has_data_set(monkeypatch, True)
    monkeypatch.setattr(
        "limoe_core.data.source.load_pairs", lambda config, split, **options: some_pairs(split)
    )
    check(open_page("zero_shot", runs_folder, run="small", **address), exports)
    assert "analysis.data_pictures(run.config.data)" in exports[0].code


# ---- a photo that lies on its side


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG whose camera was turned: its pixels lie on their side (EXIF orientation 6)."""
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (6, 4, 3)), np.ones((40, 40, 1))).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "it's a photo.jpg"
    Image.fromarray(pixels).save(path, "JPEG", exif=exif, quality=95)
    return path


def three_ways(photo: Path) -> tuple[Any, Any, Any]:
    """The photo turned upright, as Pillow opens it, and its bare pixels, lying on their side."""
    picture = Image.open(photo)
    return ImageOps.exif_transpose(picture), picture, np.asarray(picture)


def bring(page: AppTest, photo: Path) -> AppTest:
    return page.file_uploader[0].upload(photo.name, photo.read_bytes(), "image/jpeg").run()


def test_a_photo_is_routed_upright_by_page_and_lines(photo: Path, exports: list[Export]) -> None:
    page = open_page("routing", FOLDER, run=LIMOE.name, text="a photo")
    exports.clear()
    page = bring(page, photo)
    check(page, exports)
    model = limoe_core.load(LIMOE.path)
    upright, opened, sideways = (
        model.trace([picture], ["a photo"], capacity_factor=0.0) for picture in three_ways(photo)
    )
    (routing,) = (each for each in exports if each.file.startswith("routing"))
    (routed,) = routing.frame.arguments
    assert np.array_equal(routed.value.probs, upright.probs)
    assert np.array_equal(routed.value.probs, opened.probs)
    assert not np.array_equal(routed.value.probs, sideways.probs)


def test_a_photo_is_classified_upright_by_page_and_lines(
    photo: Path, exports: list[Export]
) -> None:
    page = open_page("zero_shot", FOLDER, run=LIMOE.name, labels="dog\ncat", pictures=PICTURES[1])
    exports.clear()
    page = bring(page, photo)
    check(page, exports)
    model = limoe_core.load(LIMOE.path)
    mine = exports[0].frame.value.query("picture == 0").set_index("label")["similarity"]
    upright, opened, sideways = (
        model.encode_images([picture])[0] @ model.encode_texts(["dog"])[0]
        for picture in three_ways(photo)
    )
    assert mine["dog"] == pytest.approx(upright, abs=1e-5)
    assert mine["dog"] == pytest.approx(opened, abs=1e-5)
    assert mine["dog"] != pytest.approx(sideways, abs=1e-3)


@pytest.mark.training
def test_labels_that_read_the_same_are_counted_once_by_page_and_lines(
    exports: list[Export],
) -> None:
    page = open_page(
        "zero_shot", FOLDER, run=LIMOE.name, labels="Dog\ndog\ncat", pictures=PICTURES[1]
    )
    check(page, exports)
    assert set(exports[0].frame.value["label"]) == {"Dog", "cat"}
    assert "told_apart(" in exports[0].code


def test_a_photo_is_looked_for_upright(photo: Path, exports: list[Export]) -> None:
    page = open_page("zero_shot", FOLDER, run=LIMOE.name, show="search", find="texts")
    exports.clear()
    check(bring(page, photo), exports)


# ---- no way around it


def test_figures_and_files_leave_through_the_export_alone() -> None:
    """A page that draws or offers something by itself would have no lines that make it again."""
    ways = {"plotly_chart", "download_button", "code"}
    wrong = [
        f"{path.relative_to(ROOT)}: st.{node.attr}"
        for path in sorted((ROOT / "app").rglob("*.py"))
        if path.parent.name != "parts"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ways
        and isinstance(node.value, ast.Name)
        and node.value.id == "st"
    ]
    assert not wrong


def test_the_box_holds_the_file_and_the_lines(runs_folder: Path) -> None:
    page = open_page("experts", runs_folder, run="small", view="modalities")
    box = next(each for each in page.expander if each.label == "Export")
    assert not page.code
    key = "export.shares-small-step20-block2.open"
    page.session_state[key] = True
    page = page.run()
    assert not page.exception
    (lines,) = (each.value for each in page.code)
    made: dict[str, Any] = {}
    exec(lines, made)
    assert set(made) >= {"frame", "figure"}
    assert box.label == "Export"


def test_a_table_is_a_file_of_comma_separated_values(
    runs_folder: Path, exports: list[Export]
) -> None:
    open_page("experts", runs_folder, run="small", view="modalities")
    found = pd.read_csv(io.BytesIO(export.csv(exports[0].frame)))
    pd.testing.assert_frame_equal(
        found, exports[0].frame.value.reset_index(drop=True), check_dtype=False
    )
