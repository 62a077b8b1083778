// A series with uPlot: look into it with pointer or arrow keys, and it goes on as values come in.
import { onObservations } from "./live.js";
import { text } from "./texts.js";

const language = document.documentElement.lang;
const zone = document.body.dataset.zone;

const colour = (name) => {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};
const faded = (rgb, share) => rgb.replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);

function stylesheet(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((done, failed) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href, onload: done, onerror: failed });
    document.head.append(link);
  });
}

/** Columns of one length: the line's times and the band's, merged. */
function columns(data) {
  if (!data.usual) return [data.time, data.value];
  const [bandTime, low, high] = data.usual;
  const times = [...new Set([...data.time, ...bandTime])].sort((a, b) => a - b);
  const at = (keys, values) => { const known = new Map(keys.map((key, i) => [key, values[i]])); return times.map((time) => known.get(time)); };
  return [times, at(data.time, data.value), at(bandTime, low), at(bandTime, high)];
}

/** Draws the series of the figure's address into it. */
export async function showChart(figure) {
  const [{ default: UPlot }, data] = await Promise.all([
    import(`${figure.dataset.uplot}uPlot.esm.js`),
    fetch(figure.dataset.chart).then((answer) => answer.json()),
    stylesheet(`${figure.dataset.uplot}uPlot.min.css`),
  ]);
  if (!data.time.length) return;
  const place = figure.querySelector(".plot");
  const [ink, line, accent] = [colour("--ink-2"), colour("--line"), colour("--accent")];
  const hours = (data.end - data.start) / 3600;
  const short = new Intl.DateTimeFormat(language, hours > 48 ? { month: "numeric", day: "numeric", timeZone: zone } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone });
  const long = new Intl.DateTimeFormat(language, { weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone });
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const told = figure.querySelector(".told");
  const drawnHeight = Math.round(place.getBoundingClientRect().height); // nothing below it moves
  const font = `13px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const tell = (plot) => {
    const i = plot.cursor.idx ?? plot.data[1].findLastIndex((value) => value != null);
    const value = plot.data[1][i];
    told.textContent = value == null ? "\u00a0" : `${long.format(plot.data[0][i] * 1000)} · ${number.format(value)} ${data.unit}`;
  };
  const options = {
    width: place.clientWidth,
    height: drawnHeight,
    tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1000), zone),
    legend: { show: false },
    cursor: { y: false, drag: { x: false }, points: { size: 9, fill: accent } },
    scales: { x: { range: () => [data.start, data.end] }, y: { range: (_, low, high) => UPlot.rangeNum(Math.min(0, low), high, 0.08, true) } },
    axes: [{ ...axis, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => short.format(tick * 1000)) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => number.format(tick)) }],
    series: [{}, { stroke: accent, width: 2.2, spanGaps: true, ...(data.stepped ? { paths: UPlot.paths.stepped({ align: 1 }) } : {}), points: { show: data.time.length < 40 } }],
    hooks: { setCursor: [tell], setData: [tell], ready: [tell] },
  };
  if (data.usual) {
    options.series.push({ stroke: "transparent", points: { show: false }, spanGaps: true }, { stroke: "transparent", points: { show: false }, spanGaps: true });
    options.bands = [{ series: [3, 2], fill: faded(accent, 0.16) }];
  }
  const drawn = place.querySelector("svg")?.getAttribute("aria-label") ?? "";
  place.replaceChildren();
  const plot = new UPlot(options, columns(data), place);
  plot.root.setAttribute("role", "img");
  plot.root.setAttribute("aria-label", drawn);
  listenToKeys(place, plot, text("chart.keys", {}));
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: drawnHeight })).observe(place);
  onObservations([Number(figure.dataset.chartStream)], (_, time, value) => {
    if (typeof value !== "number" || time / 1000 <= data.time.at(-1)) return;
    data.time.push(time / 1000);
    data.value.push(value);
    const shift = Math.max(0, time / 1000 - data.end);
    data.start += shift;
    data.end += shift;
    plot.setData(columns(data));
  });
}

/** Arrow keys walk along the line. */
function listenToKeys(place, plot, label) {
  place.tabIndex = 0;
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", label);
  place.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const times = plot.data[0];
    const next = Math.min(Math.max((plot.cursor.idx ?? times.length - 1) + step, 0), times.length - 1);
    plot.setCursor({ left: plot.valToPos(times[next], "x"), top: 10 });
  });
}
