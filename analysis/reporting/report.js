// Draws the figures, and draws them anew for the width of the paper.
"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const plots = figures.map((figure, i) => {
  const place = document.getElementById(`figure${i}`);
  const config = { responsive: true, displaylogo: false, toImageButtonOptions: { format: "svg" } };
  Plotly.newPlot(place, figure.data, { ...figure.layout, autosize: true }, config)
    .then(() => figure.frames && Plotly.addFrames(place, figure.frames));
  return place;
});
const fit = () => plots.forEach((plot) => Plotly.Plots.resize(plot));
addEventListener("beforeprint", fit);
addEventListener("afterprint", fit);
