// Draws the figures that lie in the page as JSON, in the colours of the page's theme, and again when it changes.
(() => {
  "use strict";
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // a colour such as "--before" is the name of one of the page's own
  const themed = (value, key = "") => {
    if (Array.isArray(value)) return value.map((item) => themed(item, key));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, themed(item, name)]));
    }
    const named = typeof value === "string" && value.startsWith("--") && (key.endsWith("color") || key === "colors");
    return named ? css(value) || value : value;
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
