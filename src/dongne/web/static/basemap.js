// What lies under the Things where the city has its tiles: land, water, ways, houses, also upright. One file, read in ranges.
const FONT = ["Pretendard Variable", "Inter Variable"];
const COLOURS = ["land", "park", "wood", "sand", "paved", "water", "shore", "way", "way-edge", "major", "path", "rail", "house", "house-edge", "wall", "roof"];
// Metres would be too thin from afar: widths in pixels at zoom 12 and 19.
const WIDTHS = { major: [1.8, 30], main: [1.2, 24], street: [0.5, 18], pedestrian: [0.5, 15], service: [0.2, 8] };
const PLACES = ["suburb", "quarter", "neighbourhood", "island", "square"];
const STATIONS = ["station", "halt"];
const LANDMARKS = ["museum", "library", "theatre", "university", "school", "college", "hospital", "place_of_worship", "townhall", "marketplace", "courthouse", "arts_centre", "attraction", "cinema", "post_office", "police", "ferry_terminal", "monument"];
const HIDDEN = ["stop_position", "platform", "yes", "artwork", "information", "atm", "bicycle_rental", "subway_entrance", "tram_stop", "stop_area", "switch", "parking", "parking_entrance", ...PLACES, ...STATIONS, ...LANDMARKS];
const PITCH = 58;
const HOUSES_FROM_ZOOM = 13;
const UPRIGHT_FROM_ZOOM = 14;

const isA = (...classes) => ["in", ["get", "class"], ["literal", classes]];
const grow = (...stops) => ["interpolate", ["exponential", 1.6], ["zoom"], ...stops];
const wide = (more) => grow(...[[12, 0], [19, 1]].flatMap(([zoom, i]) => [zoom, ["+", more, ["match", ["get", "class"], ...Object.entries(WIDTHS).flatMap(([name, px]) => [name, px[i]]), 0.5]]]));
const onTop = ["!", ["has", "tunnel"]];
const round = { "line-cap": "round", "line-join": "round" };

/** The address for MapLibre of a PMTiles file. Its reader comes with it; raises where that is not installed. */
export async function openTiles(maplibre, root, address) {
  if (!root) throw new Error("pmtiles is not installed here");
  if (!globalThis.pmtiles) {
    await new Promise((done, failed) => document.head.append(Object.assign(document.createElement("script"), { src: `${root}pmtiles.js`, onload: done, onerror: failed })));
  }
  const protocol = new globalThis.pmtiles.Protocol();
  const file = new globalThis.pmtiles.PMTiles(new URL(address, location.href).href);
  await file.getHeader(); // what can't be read shows now, while there is another way
  protocol.add(file);
  maplibre.addProtocol("pmtiles", protocol.tile);
  return `pmtiles://${file.source.getKey()}`;
}

function sheet([[west, south], [east, north]]) {
  return { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [[[west, south], [east, south], [east, north], [west, north], [west, south]]] } };
}

/** How far one may wander: the city in the middle, with room around it on any screen. */
export function boundsAround([[west, south], [east, north]]) {
  const [lon, lat] = [(west + east) / 2, (south + north) / 2];
  const narrow = Math.cos((lat * Math.PI) / 180);
  const reach = 1.8 * Math.max(north - south, (east - west) * narrow);
  return [[lon - reach / narrow, lat - reach], [lon + reach / narrow, lat + reach]];
}

/** Sources and layers, the lowest first. `probe` says a token's colour. */
export function tileBase(tiles, city, probe) {
  const c = Object.fromEntries(COLOURS.map((name) => [name, probe(`map-${name}`)]));
  const [ink, ink2, line, outside] = ["ink", "ink-2", "line", "sunken"].map(probe);
  const layer = (id, type, of, rest) => ({ id, type, source: "tiles", "source-layer": of, ...rest });
  const label = (id, of, size, rest, layout = {}, colour = ink2) => layer(id, "symbol", of, {
    ...rest, layout: { "text-field": ["get", "name"], "text-font": FONT, "text-size": size, "text-max-width": 8, "text-padding": 6, ...layout },
    paint: { "text-color": colour, "text-halo-color": c.land, "text-halo-width": 1.6 },
  });
  const along = { "symbol-placement": "line", "symbol-spacing": 320, "text-max-angle": 30, "text-letter-spacing": 0.02 };
  const sources = { tiles: { type: "vector", url: tiles }, sheet: { type: "geojson", data: sheet(city.bounds) } };
  const layers = [
    { id: "paper", type: "background", paint: { "background-color": outside } },
    { id: "sheet", type: "fill", source: "sheet", paint: { "fill-color": c.land } },
    layer("land", "fill", "land", { filter: ["!=", ["get", "class"], "paved"], paint: { "fill-color": ["match", ["get", "class"], "wood", c.wood, "sand", c.sand, c.park] } }),
    layer("paved", "fill", "land", { filter: isA("paved"), minzoom: 13, paint: { "fill-color": c.paved } }),
    layer("water", "fill", "water", { filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": c.water } }),
    layer("shore", "line", "water", { filter: ["all", ["==", ["geometry-type"], "Polygon"], ["!=", ["get", "class"], "sea"]], minzoom: 14, paint: { "line-color": c.shore, "line-width": 0.8, "line-opacity": 0.4 } }),
    layer("streams", "line", "water", { filter: ["==", ["geometry-type"], "LineString"], layout: round, paint: { "line-color": c.water, "line-width": grow(12, ["match", ["get", "class"], "river", 2, 0.8], 19, ["match", ["get", "class"], "river", 16, 5]) } }),
    layer("tunnels", "line", "ways", { filter: ["all", ["has", "tunnel"], isA("major", "main")], minzoom: 14, paint: { "line-color": c["way-edge"], "line-width": 1.4, "line-dasharray": [3, 3] } }),
    layer("paths", "line", "ways", { filter: ["all", onTop, isA("path", "cycleway")], minzoom: 14, layout: { "line-join": "round" }, paint: { "line-color": c.path, "line-width": grow(14, 0.5, 19, 3), "line-opacity": ["interpolate", ["linear"], ["zoom"], 14, 0.3, 16, 0.9] } }),
    layer("steps", "line", "ways", { filter: ["all", onTop, isA("steps")], minzoom: 15.5, paint: { "line-color": c.path, "line-width": grow(15, 1.5, 19, 8), "line-dasharray": [0.35, 0.35] } }),
    layer("way-edges", "line", "ways", { filter: ["all", onTop, isA(...Object.keys(WIDTHS))], minzoom: 13, layout: { ...round, "line-cap": "butt", "line-sort-key": rank() }, paint: { "line-color": c["way-edge"], "line-width": wide(1.6) } }),
    layer("ways", "line", "ways", { filter: ["all", onTop, isA(...Object.keys(WIDTHS))], layout: { ...round, "line-sort-key": rank() }, paint: { "line-color": ["match", ["get", "class"], "major", c.major, c.way], "line-width": wide(0) } }),
    layer("trams", "line", "rails", { filter: ["all", onTop, isA("tram")], minzoom: 14.5, paint: { "line-color": c.rail, "line-width": grow(14, 0.4, 19, 2), "line-opacity": 0.8 } }),
    layer("rails", "line", "rails", { filter: ["all", onTop, isA("rail", "subway")], paint: { "line-color": c.rail, "line-width": grow(12, 0.6, 19, 3) } }),
    layer("sleepers", "line", "rails", { filter: ["all", onTop, isA("rail", "subway")], minzoom: 16, paint: { "line-color": c.rail, "line-width": grow(16, 3, 19, 9), "line-dasharray": [0.15, 0.9] } }),
    layer("houses", "fill", "buildings", { filter: ["!", ["has", "part"]], minzoom: HOUSES_FROM_ZOOM, paint: { "fill-color": c.house, "fill-outline-color": c["house-edge"] } }),
    { id: "sheet-edge", type: "line", source: "sheet", paint: { "line-color": line, "line-width": 1 } },
    layer("storeys", "fill-extrusion", "buildings", {
      minzoom: UPRIGHT_FROM_ZOOM, layout: { visibility: "none" },
      paint: { "fill-extrusion-color": ["interpolate", ["linear"], ["get", "render_height"], 3, c.wall, 45, c.roof], "fill-extrusion-height": ["interpolate", ["linear"], ["zoom"], UPRIGHT_FROM_ZOOM, 0, UPRIGHT_FROM_ZOOM + 0.7, ["get", "render_height"]], "fill-extrusion-base": ["get", "min_height"] },
    }),
    label("street-names", "ways", ["interpolate", ["linear"], ["zoom"], 15, 11.5, 18, 14], { filter: ["all", onTop, isA("street", "pedestrian", "service", "path", "cycleway")], minzoom: 15.4 }, along),
    label("main-names", "ways", ["interpolate", ["linear"], ["zoom"], 14, 11.5, 18, 15], { filter: ["all", onTop, isA("major", "main")], minzoom: 14 }, along),
    label("water-names", "water", 12.5, { minzoom: 14, filter: ["==", ["geometry-type"], "Polygon"] }, {}, c.shore),
    label("park-names", "land", 12.5, { minzoom: 15, filter: isA("park", "wood", "grass", "sand") }),
    label("other-names", "places", 12, { minzoom: 17.6, filter: ["!", isA(...HIDDEN)] }),
    label("landmarks", "places", 12.5, { minzoom: 16, filter: isA(...LANDMARKS) }),
    label("stations", "places", 13, { minzoom: 13.5, filter: isA(...STATIONS) }, {}, ink),
    label("quarters", "places", ["interpolate", ["linear"], ["zoom"], 12, 12, 16, 16], { maxzoom: 17, filter: isA(...PLACES) }, { "text-letter-spacing": 0.06 }, ink),
  ];
  return { sources, layers };
}

function rank() {
  return ["match", ["get", "class"], "major", 5, "main", 4, "street", 3, "pedestrian", 2, 1];
}

/** A button that tilts the map; houses stand up whenever it is tilted, however that was done. */
export class Upright {
  constructor(title) { this.title = title; }

  onAdd(map) {
    this.map = map;
    this.button = Object.assign(document.createElement("button"), { type: "button", textContent: "3D", title: this.title, className: "upright" });
    this.button.setAttribute("aria-label", this.title);
    this.button.addEventListener("click", () => {
      const flat = !this.isUp();
      map.easeTo(flat ? { pitch: PITCH, bearing: -18, zoom: Math.max(map.getZoom(), 15.6), duration: 900 } : { pitch: 0, bearing: 0, duration: 700 });
    });
    this.turn = () => {
      this.button.setAttribute("aria-pressed", String(this.isUp()));
      if (!map.getLayer("storeys") || this.wasUp === this.isUp()) return;
      this.wasUp = this.isUp();
      map.setLayoutProperty("storeys", "visibility", this.wasUp ? "visible" : "none");
      map.setLayerZoomRange("houses", HOUSES_FROM_ZOOM, this.wasUp ? UPRIGHT_FROM_ZOOM : 24);
    };
    map.on("pitch", this.turn);
    this.button.setAttribute("aria-pressed", "false");
    this.box = Object.assign(document.createElement("div"), { className: "maplibregl-ctrl maplibregl-ctrl-group" });
    this.box.append(this.button);
    return this.box;
  }

  isUp() { return this.map.getPitch() > 1; }

  onRemove() {
    this.map.off("pitch", this.turn);
    this.box.remove();
  }
}
