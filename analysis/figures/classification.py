"""Figures of zero-shot classification and of a search for texts."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from analysis.figures.style import INK, escape, finish

_BAR = "#2F7FD0"
#: From the middle of a bar to the marks under it: the bar's number stays free.
_UNDER = 0.47
_REST = "rgba(128, 128, 128, 0.45)"
_LONGEST = 34


def classification_figure(frame: pd.DataFrame, picture: int = 0, *, count: int = 10) -> go.Figure:
    """The most probable labels of one picture, as bars.

    Args:
      frame: `analysis.classification.classify`.
      picture: its number in the frame.
      count: labels to draw at most; the last bar is the sum of the others.

    A triangle under each bar is what a model that knows nothing would give: one of n, and to the
    sum of m others m of n.
    """
    rows = frame[frame["picture"] == picture].sort_values("rank")
    if len(rows) == count + 1:  # one more label takes no more room than "1 other label"
        count += 1
    shown, rest = rows.head(count), rows.iloc[count:]
    names = [_label(label) for label in shown["label"]]
    values = shown["probability"].tolist()
    chance = shown["chance"].tolist()
    colours = [_BAR] * len(shown)
    hover = [
        f"{escape(_short(row.text, 200))}<br>probability {row.probability:.2%}"
        f"<br>by chance {row.chance:.2%}<br>cosine similarity {row.similarity:.3f}"
        f"<br>rank {row.rank}"
        for row in shown.itertuples()
    ]
    if len(rest):
        total = float(rest["probability"].sum())
        names.append(f"{len(rest):,} other labels")
        values.append(total)
        chance.append(float(rest["chance"].sum()))
        colours.append(_REST)
        hover.append(
            f"{len(rest):,} labels of lower rank<br>together {total:.2%}"
            f"<br>by chance {chance[-1]:.2%}"
        )
    written = [f"{value:.1%}" for value in values]
    figure = _bars(names, values, colours, hover, written, "probability")
    return figure.add_scatter(
        x=chance,
        y=[place + _UNDER for place in range(len(names))],
        mode="markers",
        cliponaxis=False,
        marker={"symbol": "triangle-up", "size": 7, "color": INK},
        hoverinfo="skip",
        showlegend=False,
        name="by chance",
    )


def similarity_figure(frame: pd.DataFrame, *, label: str = "text", count: int = 15) -> go.Figure:
    """The nearest texts of a picture, as bars of cosine similarity.

    Args:
      frame: with columns similarity and `label`, best first.
    """
    rows = frame.head(count)
    hover = [
        f"{escape(_short(text, 200))}<br>cosine similarity {similarity:.3f}"
        for text, similarity in zip(rows[label], rows["similarity"], strict=True)
    ]
    return _bars(
        [_label(text) for text in rows[label]],
        rows["similarity"].tolist(),
        [_BAR] * len(rows),
        hover,
        [f"{value:.3f}" for value in rows["similarity"]],
        "cosine similarity",
    )


def _bars(
    names: list[str],
    values: list[float],
    colours: list[str],
    hover: list[str],
    written: list[str],
    title: str,
) -> go.Figure:
    # Numbers and not names on the axis: two labels may look alike once they are shortened.
    places = list(range(len(names)))
    figure = go.Figure(
        go.Bar(
            x=values,
            y=places,
            orientation="h",
            showlegend=False,  # Plotly draws one ("trace 0") as soon as marks of chance are beside
            marker={"color": colours},
            text=written,
            textposition="outside",
            cliponaxis=False,
            customdata=hover,
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.update_xaxes(title={"text": title}, zeroline=True, zerolinecolor=INK)
    if title == "probability":
        figure.update_xaxes(range=[0, 1], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    else:
        figure.update_xaxes(range=[1.15 * min([0.0, *values]), 1.15 * max([0.05, *values])])
    figure.update_yaxes(tickvals=places, ticktext=names, autorange="reversed")
    # Room above for the buttons that a phone always shows; on the right, for the longest bar's
    # number.
    finish(figure, height=94 + 24 * max(len(names), 1))
    return figure.update_layout(margin={"l": 10, "r": 55, "t": 32, "b": 45}, bargap=0.25)


def _label(text: object) -> str:
    return escape(_short(text, _LONGEST))


def _short(text: object, longest: int) -> str:
    words = " ".join(str(text).split())
    return words if len(words) <= longest else words[: longest - 1] + "…"
