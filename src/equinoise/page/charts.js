// Draws the figures that lie in the page as JSON, in the colours of the page's theme, and again when it changes.
(() => {
  "use strict";
  // colour of a figure → the page's own name for it
  const COLOURS = {/* COLOURS */};
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const themed = (value, key = "") => {
    if (Array.isArray(value)) return value.map((item) => themed(item, key));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, themed(item, name)]));
    }
    const named = typeof value === "string" && (key.endsWith("color") || key === "colors") && COLOURS[value];
    return named ? css(named) || value : value;
  };

  const draw = (box) => {
    const figure = themed(JSON.parse(document.getElementById(box.id + "-data").textContent));
    Plotly.react(box, figure.data, figure.layout, { responsive: true, displayModeBar: false, displaylogo: false });
  };

  const boxes = [...document.querySelectorAll(".chart")];
  const folded = (box) => box.closest("details:not([open])");
  const drawAll = () => boxes.filter((box) => !folded(box)).forEach(draw);
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  document.querySelectorAll("details").forEach((fold) => {
    fold.addEventListener("toggle", () => fold.open && boxes.filter((box) => fold.contains(box)).forEach(draw));
  });
})();
