from __future__ import annotations

import plotly.graph_objects as go

from analysis import figures


def test_layers_are_called_by_their_routers_everywhere_in_a_figure() -> None:
    figure = go.Figure(
        go.Bar(x=["block 1", "block 3"], y=[1, 2], customdata=[["block 3, E1"], ["blocks"]]),
        layout={"title": {"text": "block 1<br><b>0.5</b>"}},
    )
    named = figures.name_layers(figure, {1: "block 1, attention", 2: "block 1, <mlp>"})
    assert list(named.data[0].x) == ["block 1, attention", "block 3"]
    assert named.layout.title.text == "block 1, attention<br><b>0.5</b>"
    assert named.data[0].customdata[0][0] == "block 3, E1"
    assert list(named.data[0].y) == [1, 2]
    other = figures.name_layers(figure, {3: "block 2, <mlp>"})
    assert other.data[0].x[1] == "block 2, &lt;mlp&gt;"
    assert list(figure.data[0].x) == ["block 1", "block 3"]
