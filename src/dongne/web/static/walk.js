// The page of a walk: places are suggested while one types, "here" is filled in, and the drawing becomes a map to move in.
const WAIT_MS = 150;
const MOST = 7;

/** A field becomes a combobox with a list (ARIA Authoring Practices, "Combobox with list autocomplete"). Without it the field is a field. */
function suggestPlaces(input) {
  const list = Object.assign(document.createElement("ul"), { id: `${input.id}-list`, className: "suggestions", hidden: true });
  const said = Object.assign(document.createElement("p"), { className: "hidden" });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.labels[0].textContent);
  said.setAttribute("aria-live", "polite");
  input.after(list, said);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id })) input.setAttribute(name, value);
  let places = [];
  let at = -1;
  let timer;
  let asked = 0;

  const close = () => {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (number) => {
    at = number;
    [...list.children].forEach((option, index) => option.setAttribute("aria-selected", String(index === at)));
    const option = list.children[at];
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };
  const next = (step) => { // round about, with the field itself between the last and the first
    const around = places.length + 1;
    return ((at + 1 + step + around) % around) - 1;
  };
  const choose = (number) => {
    input.value = places[number].text;
    close();
  };
  const show = (found) => {
    places = found.map((one) => ({ ...one, text: one.address && one.kind !== "address" ? `${one.name} ${one.address}` : one.name }));
    list.replaceChildren(...places.map((one, index) => {
      const option = Object.assign(document.createElement("li"), { id: `${list.id}-${index}` });
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      const name = Object.assign(document.createElement("b"), { textContent: one.names[input.dataset.language] ?? one.name });
      const more = Object.assign(document.createElement("small"), { textContent: [one.names[input.dataset.language] && one.name, one.address].filter(Boolean).join(", ") });
      option.append(name, " ", more);
      option.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(index); });
      return option;
    }));
    at = -1;
    list.hidden = !places.length;
    input.setAttribute("aria-expanded", String(Boolean(places.length)));
    input.removeAttribute("aria-activedescendant");
    said.textContent = input.dataset.count.replace("{n}", places.length);
  };
  const ask = async () => {
    const typed = input.value.trim();
    const number = ++asked;
    if (!typed || /^-?[\d.]+\s*,/.test(typed)) return close();
    try {
      const answer = await fetch(`${input.dataset.places}?${new URLSearchParams({ text: typed, limit: MOST, format: "json" })}`);
      const { places: found } = await answer.json();
      if (number === asked && document.activeElement === input) show(found ?? []);
    } catch (error) {
      console.warn(error);
      close();
    }
  };
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, WAIT_MS); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) { event.preventDefault(); close(); }
    else if (event.key === "Enter" && !list.hidden && at >= 0) { event.preventDefault(); choose(at); }
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) ask();
      else mark(next(event.key === "ArrowDown" ? 1 : -1));
    }
  });
}

function offerHere(form) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button quiet", textContent: form.dataset.here });
  const failed = Object.assign(document.createElement("p"), { className: "wrong" });
  failed.setAttribute("role", "status");
  button.addEventListener("click", () => {
    failed.textContent = "";
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => { form.elements.start.value = `${coords.longitude.toFixed(5)},${coords.latitude.toFixed(5)}`; },
      () => { failed.textContent = form.dataset.hereFailed; },
    );
  });
  form.querySelector("#walk-start-hint").after(button, failed);
}

function offerMap(section) {
  const button = section.querySelector("[data-map-button]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.setAttribute("aria-busy", "true");
    try {
      const [{ showMap }, answer] = await Promise.all([import("./map.js"), fetch(section.dataset.routes)]);
      const { routes } = await answer.json();
      const place = section.querySelector(".map-place");
      await showMap(place, section.dataset.map);
      drawRoutes(globalThis.dongneMap, routes, place);
      button.remove();
    } catch (error) {
      console.warn(error);
      button.removeAttribute("aria-busy");
    }
  });
}

function drawRoutes(map, routes, place) {
  const colours = ["accent", "sun", "ink-2"].map((name) => getComputedStyle(place).getPropertyValue(`--${name}`));
  const probe = document.createElement("i");
  place.append(probe);
  const shown = colours.map((colour) => { probe.style.color = colour; return getComputedStyle(probe).color; });
  probe.remove();
  const draw = () => {
    [...routes.keys()].reverse().forEach((number) => {
      const id = `route-${number}`;
      map.addSource(id, { type: "geojson", data: { type: "Feature", properties: {}, geometry: routes[number].geometry } });
      const line = { id, type: "line", source: id, layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": shown[number % shown.length], "line-width": number ? 4 : 6 } };
      if (number) line.paint["line-dasharray"] = [1.6, 1.6];
      map.addLayer(line, map.getLayer("things") ? "things" : undefined);
    });
    const points = routes.flatMap((route) => route.geometry.coordinates);
    const [lons, lats] = [points.map(([lon]) => lon), points.map(([, lat]) => lat)];
    map.fitBounds([[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]], { padding: 48, animate: false });
  };
  if (map.isStyleLoaded()) draw();
  else map.once("load", draw);
}

for (const input of document.querySelectorAll("[data-places]")) suggestPlaces(input);
const form = document.querySelector(".walk-form");
if (form && "geolocation" in navigator) offerHere(form);
for (const section of document.querySelectorAll("[data-routes]")) offerMap(section);
