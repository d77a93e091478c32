// Draws the figures of a page, in the colours of the theme, and again when theme or width change.
"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const NARROW = 600;
  const PRINT = 660; // pixels of a sheet of A4 between its margins
  const chosen = {};
  let printing = false;

  // "--fund 0.2": a token of the theme, with an opacity
  function colour(token, style) {
    const [name, opacity] = token.split(" ");
    const value = style.getPropertyValue(name).trim();
    if (opacity === undefined) return value;
    const [r, g, b] = [1, 3, 5].map(at => parseInt(value.slice(at, at + 2), 16));
    return `rgba(${r},${g},${b},${opacity})`;
  }

  function resolved(value, style) {
    if (typeof value === "string") return value.startsWith("--") ? colour(value, style) : value;
    if (Array.isArray(value)) {
      const numbers = value.length > 2 && typeof value[0] === "number"; // a stop of a colour scale is a pair
      return numbers ? value : value.map(each => resolved(each, style));
    }
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolved(each, style)]));
  }

  function axis(given, style, narrow) {
    return {
      automargin: true, fixedrange: true, gridcolor: "--line", zeroline: false, linecolor: "--line", ...given,
      tickfont: {size: narrow ? 11 : 12.5, color: "--ink", ...given?.tickfont},
      title: given?.title ? {standoff: 8, font: {size: narrow ? 11 : 12.5, color: "--muted"}, ...given.title} : undefined,
    };
  }

  function thinned(given, most) {
    if (!given?.tickvals || given.tickvals.length <= most || given.type === "category") return given;
    const every = Math.ceil(given.tickvals.length / most);
    const kept = values => values?.filter((_, i) => i % every === 0);
    return {...given, tickvals: kept(given.tickvals), ticktext: kept(given.ticktext)};
  }

  function draw(key) {
    const place = document.querySelector(`[data-figure="${key}"]`);
    const {height, views} = figures[key];
    const view = views[chosen[key] ?? 0];
    const width = printing ? PRINT : place.clientWidth;
    const narrow = width < NARROW;
    const style = getComputedStyle(root);
    let data = view.data ?? views[0].data;
    let {legend, ...layout} = view.layout;
    if (narrow) layout.xaxis = thinned(layout.xaxis, 5);
    if (narrow && view.narrow.room) { // for words beside bars
      layout.xaxis = {...layout.xaxis, range: [layout.xaxis.range[0], layout.xaxis.range[1] * view.narrow.room]};
    }
    if (narrow && view.narrow.heat) {
      data = data.map(trace => ({...trace, showscale: false, textfont: {size: 9}}));
      layout.xaxis = {...layout.xaxis, tickangle: -60};
    }
    if (narrow && layout.annotations) {
      layout = {...layout, annotations: layout.annotations.map(note => ({...note, font: {...note.font, size: 9.5}}))};
    }
    const common = {
      width, height: printing ? 0.84 * height : height + (narrow ? 40 : 0),
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, hovermode: "closest",
      font: {family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 13, color: "--ink"},
      hoverlabel: {bgcolor: "--card", bordercolor: "--muted", font: {color: "--ink", size: 13}, align: "left"},
      legend: {orientation: "h", x: 0, xanchor: "left", yanchor: "top", font: {size: narrow ? 11 : 12.5}, ...legend},
      ...layout,
      margin: {l: 8, r: narrow ? 14 : 24, t: 12, b: 40, ...layout.margin},
      xaxis: axis(layout.xaxis, style, narrow), yaxis: axis(layout.yaxis, style, narrow),
    };
    common.legend.y = -(layout.xaxis.title ? 52 : 30) / (common.height - 110); // below the axis, in heights of the plot
    const options = {displayModeBar: false, responsive: false, scrollZoom: false, showTips: false};
    return Plotly.react(place, resolved(data, style), resolved(common, style), options);
  }

  function drawAll() { return Promise.all(Object.keys(figures).map(draw)); }

  function later(keys) {
    const [first, ...rest] = keys;
    if (first === undefined) { root.dataset.drawn = "all"; return; }
    draw(first).then(() => setTimeout(() => later(rest), 0));
  }

  for (const select of document.querySelectorAll("[data-choice]")) {
    select.addEventListener("change", () => {
      const key = select.dataset.choice;
      chosen[key] = Number(select.value);
      for (const part of document.querySelectorAll(`#figure-${CSS.escape(key)} [data-view]`)) {
        part.hidden = part.dataset.view !== select.value;
      }
      draw(key);
    });
  }

  const button = document.getElementById("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
  function name() { button.textContent = isDark() ? "Light" : "Dark"; }
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; name(); drawAll(); });
  dark.addEventListener("change", () => { name(); drawAll(); });
  name();
  const print = document.getElementById("print");
  print.hidden = false;
  print.addEventListener("click", () => window.print());

  let before;
  addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; printing = true; drawAll(); });
  addEventListener("afterprint", () => {
    printing = false;
    if (before) root.dataset.theme = before; else delete root.dataset.theme;
    drawAll();
  });
  let waiting;
  let width = innerWidth;
  addEventListener("resize", () => {
    if (printing || innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 120);
  });
  later(Object.keys(figures));
})();
