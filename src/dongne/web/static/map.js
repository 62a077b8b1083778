// The map, with MapLibre: the city's own layers, labels from the page's font, no foreign host. Loaded on demand only.
import { Upright, boundsAround, openTiles, tileBase } from "./basemap.js";
import { text } from "./texts.js";

const packages = JSON.parse(document.body.dataset.packages ?? "{}");
const STATES = ["stale", "calm", "busy", "crowded", "alarm"];
// In a box of 10 x 10, as the server draws them.
const SHAPES = {
  calm: (c) => c.arc(5, 5, 4.2, 0, 7),
  busy: (c) => c.rect(1, 1, 8, 8),
  crowded: (c) => { c.moveTo(5, 0.8); c.lineTo(9.5, 9); c.lineTo(0.5, 9); c.closePath(); },
  alarm: (c) => { for (const [x, y] of [[3, 0.4], [7, 0.4], [9.6, 3], [9.6, 7], [7, 9.6], [3, 9.6], [0.4, 7], [0.4, 3]]) c.lineTo(x, y); c.closePath(); },
  stale: (c) => c.rect(0.8, 3.6, 8.4, 2.8),
};

const probe = (name) => {
  const element = document.createElement("i");
  element.style.color = `var(--${name})`;
  document.body.append(element);
  const found = getComputedStyle(element).color;
  element.remove();
  return found;
};

function marker(state, paper) {
  const size = 44;
  const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const context = canvas.getContext("2d");
  context.scale(size / 14, size / 14);
  context.translate(2, 2);
  context.beginPath();
  SHAPES[state](context);
  context.lineWidth = 2.6;
  context.lineJoin = "round";
  context.strokeStyle = paper;
  context.stroke();
  context.fillStyle = probe(state);
  context.fill();
  return context.getImageData(0, 0, size, size);
}

function drawnBase(city, colours) {
  const sources = {};
  const layers = [{ id: "paper", type: "background", paint: { "background-color": colours.sunken } }];
  for (const address of city.base) {
    const id = address.split("/").at(-1).replace(".json", "");
    sources[id] = { type: "geojson", data: address };
    if (id === "building") {
      layers.push({ id, source: id, type: "fill", paint: { "fill-color": colours.card, "fill-outline-color": colours.line } });
      layers.push({ id: "storeys", source: id, type: "fill-extrusion", minzoom: 15.5, paint: { "fill-extrusion-color": colours.card, "fill-extrusion-height": ["coalesce", ["get", "render_height"], 6], "fill-extrusion-opacity": 0.82 } });
    } else {
      layers.splice(1, 0, { id, source: id, type: "line", layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": colours.line, "line-width": ["interpolate", ["linear"], ["zoom"], 13, 0.8, 17, id === "pedestrian_street" ? 6 : 3] } });
      layers.push({ id: `${id}-name`, source: id, type: "symbol", minzoom: 15, filter: ["!", ["in", ",", ["get", "name"]]], layout: { "symbol-placement": "line", "text-field": ["get", "name"], "text-font": ["Pretendard Variable", "Inter Variable"], "text-size": 12 }, paint: { "text-color": colours["ink-2"], "text-halo-color": colours.sunken, "text-halo-width": 1.5 } });
    }
  }
  return { sources, layers };
}

function style(city, base, colours) {
  const { layers } = base;
  const sources = { ...base.sources, things: { type: "geojson", data: city.things, attribution: city.attribution } };
  layers.push({
    id: "things", source: "things", type: "symbol",
    layout: { "icon-image": ["get", "state"], "icon-allow-overlap": true, "symbol-sort-key": ["match", ["get", "state"], "alarm", 4, "crowded", 3, "busy", 2, "calm", 1, 0], "icon-size": ["interpolate", ["linear"], ["zoom"], 13, ["match", ["get", "state"], ["calm", "stale"], 0.27, 0.52], 17, ["match", ["get", "state"], ["calm", "stale"], 0.6, 0.8]] },
  });
  layers.push({
    id: "names", source: "things", type: "symbol", minzoom: 16.5,
    layout: { "text-field": ["get", "name"], "text-font": ["Pretendard Variable", "Inter Variable"], "text-size": 13, "text-offset": [0, 1], "text-anchor": "top", "text-max-width": 9 },
    paint: { "text-color": colours.ink, "text-halo-color": colours.card, "text-halo-width": 1.6 },
  });
  return { version: 8, light: { anchor: "viewport", intensity: 0.28 }, sources, layers };
}

/** The city's tiles where it has them, else its own layers. */
async function chooseBase(maplibre, city, colours) {
  if (city.tiles) {
    try {
      return tileBase(await openTiles(maplibre, packages.pmtiles, city.tiles), city, probe);
    } catch (error) {
      console.warn(error);
    }
  }
  return drawnBase(city, colours);
}

/** Puts the map into the place. `centre` is [lon, lat] where one thing is meant. */
export async function showMap(place, address, centre) {
  const root = packages["maplibre-gl"];
  if (!root) throw new Error("maplibre-gl is not installed here");
  const [maplibre, city] = await Promise.all([import(`${root}maplibre-gl.mjs`), fetch(address).then((answer) => answer.json()), document.fonts.load('500 13px "Pretendard Variable"', "동네 A"), document.fonts.load('500 13px "Inter Variable"', "äö")]);
  await new Promise((done, failed) => document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${root}maplibre-gl.css`, onload: done, onerror: failed })));
  const colours = Object.fromEntries(["sunken", "card", "line", "ink", "ink-2"].map((name) => [name, probe(name)]));
  const base = await chooseBase(maplibre, city, colours);
  place.replaceChildren();
  place.classList.add("live");
  const element = document.createElement("div");
  place.append(element);
  const map = new maplibre.Map({
    container: element, style: style(city, base, colours), bounds: city.bounds, maxBounds: boundsAround(city.bounds), fitBoundsOptions: { padding: 16 }, maxPitch: 60,
    minZoom: 12, maxZoom: 19, attributionControl: { compact: true }, cooperativeGestures: matchMedia("(pointer: coarse)").matches,
    locale: Object.fromEntries(["NavigationControl.ZoomIn", "NavigationControl.ZoomOut", "NavigationControl.ResetBearing", "Map.Title", "AttributionControl.ToggleAttribution", "Popup.Close"].map((key) => [key, text(`map.${key}`)])),
  });
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) map.setFadeDuration?.(0);
  for (const state of STATES) map.addImage(state, marker(state, colours.card), { pixelRatio: 2 });
  map.addControl(new maplibre.NavigationControl({ visualizePitch: true }), "top-right");
  if (base.sources.tiles) map.addControl(new Upright(text("map.upright")), "top-right");
  map.on("click", "things", ({ features: [feature] }) => {
    const { id, name, word, state } = feature.properties;
    const content = document.createElement("div");
    const link = Object.assign(document.createElement("a"), { href: `/things/${id}`, textContent: name });
    const said = Object.assign(document.createElement("p"), { textContent: word, className: `said ${state}` });
    content.append(link, said);
    new maplibre.Popup({ maxWidth: "260px" }).setLngLat(feature.geometry.coordinates).setDOMContent(content).addTo(map);
  });
  map.on("mouseenter", "things", () => { map.getCanvas().style.cursor = "pointer"; });
  map.on("mouseleave", "things", () => { map.getCanvas().style.cursor = ""; });
  if (centre) map.jumpTo({ center: centre, zoom: 17.5 });
  const renew = setInterval(() => { if (!document.hidden) map.getSource("things")?.setData(city.things); }, 30_000);
  addEventListener("pagehide", () => clearInterval(renew), { once: true });
  place.dataset.ready = "true";
  map.once("idle", () => { place.dataset.idle = "true"; });
  globalThis.dongneMap = map;
  map.getCanvas().focus({ preventScroll: true });
}
