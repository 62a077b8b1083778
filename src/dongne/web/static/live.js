// Keeps a page alive: ages grow, values change as they come in, and marked regions are fetched anew.
// Every page is whole without it.
const body = document.body;
const language = document.documentElement.lang;
const speed = Number(body.dataset.speed) || 1;
const began = { city: Number(body.dataset.now), here: performance.now() };

/** The city's clock, milliseconds since 1970. */
export const cityNow = () => began.city + (performance.now() - began.here) * speed;

const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat(language, { numeric: "always" });

/** "3 minutes ago", as the server writes it too. */
export function age(time) {
  const seconds = Math.max(0, Math.floor((cityNow() - time) / 1000));
  const [unit, length] = STEPS.find(([, size]) => seconds >= size) ?? ["second", 1];
  return relative.format(-Math.max(1, Math.round(seconds / length)), unit);
}

const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };

const clockText = new Intl.DateTimeFormat(language, { weekday: "long", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: body.dataset.zone });
const parts = () => Object.fromEntries(clockText.formatToParts(cityNow()).map(({ type, value }) => [type, value]));

function tick() {
  for (const element of document.querySelectorAll("time[data-age]")) write(element, age(Number(element.dataset.age)));
  const { weekday, hour, minute } = parts();
  for (const element of document.querySelectorAll("time[data-clock]")) write(element, `${weekday} ${hour}:${minute}`);
}

/** Puts a newer value where the page shows this Datastream. */
function show(stream, time, value) {
  for (const cell of document.querySelectorAll(`[data-stream="${stream}"]`)) {
    if (typeof value !== "number" || Number(cell.dataset.time ?? 0) > time) continue;
    cell.dataset.time = time;
    const digits = Number(cell.dataset.digits ?? 1);
    const words = cell.dataset.words?.split("|");
    write(cell.querySelector("[data-number]") ?? cell, words ? words[Number(value >= 0.5)] : new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value));
    cell.classList.remove("old", "fresh");
    requestAnimationFrame(() => cell.classList.add("fresh"));
  }
  for (const element of document.querySelectorAll(`time[data-of="${stream}"]`)) {
    if (Number(element.dataset.age) < time) { element.dataset.age = time; write(element, age(time)); }
  }
}

/** Calls back with each Observation of these Datastreams (or Things), until the page goes. */
export function onObservations(ids, callback, of = "datastream") {
  if (!ids.length) return;
  const source = new EventSource(`/events/observations?${of}=${ids.join(",")}`);
  source.addEventListener("observation", (event) => {
    const said = JSON.parse(event.data);
    if (!said.Datastream) return; // lists of a MultiDatastream are not shown live
    callback(said.Datastream["@iot.id"], Date.parse(String(said.phenomenonTime).split("/")[0]), said.result);
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}

const PATIENCE_MS = 10_000; // a server that hangs is as one that is gone

/** Fetches this page again and takes over the regions that are marked to be refreshed and have changed; whether it came. */
export async function refresh(regions) {
  const asked = { headers: { accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) };
  const answer = await fetch(location.href, asked).catch(() => null);
  const text = answer?.ok ? await answer.text().catch(() => null) : null; // a connection may also break while it is read
  if (text === null) return false;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  began.city = Number(fresh.body.dataset.now);
  began.here = performance.now();
  for (const region of regions) {
    const twin = fresh.getElementById(region.id);
    if (!twin || region.innerHTML === twin.innerHTML) continue;
    const focused = region.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    if (region.contains(document.activeElement) && !focused) continue; // somebody is typing
    region.innerHTML = twin.innerHTML;
    if (focused) region.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  }
  tick();
  return true;
}

const marked = [...document.querySelectorAll("[data-refresh][id]")];
if (marked.length) {
  const every = Math.min(...marked.map((region) => Number(region.dataset.refresh))) * 1000;
  setInterval(() => { if (!document.hidden) refresh(marked); }, every);
}
setInterval(tick, speed > 1 ? 1000 : 5000);
const streams = [...new Set([...document.querySelectorAll("[data-stream]")].map((cell) => Number(cell.dataset.stream)))];
onObservations(streams, show);
