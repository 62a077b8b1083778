// The list of cases, live: fetched anew when one opens or changes, and said aloud when one is new.
import { refresh } from "./live.js";
import { text } from "./texts.js";

const list = document.querySelector("#cases");
const regions = [list, document.querySelector("#cases-count")];
const announce = document.querySelector("[data-announce]");
const sign = document.querySelector("[data-live]");
const source = new EventSource("/events/cases");
let planned = 0;

async function renew() {
  planned = 0;
  const known = new Set([...list.querySelectorAll(".case-what > a")].map((link) => link.href));
  await refresh(regions);
  const fresh = [...list.querySelectorAll(".case-what > a")].find((link) => !known.has(link.href));
  if (fresh) announce.textContent = text("cases.new", { what: fresh.textContent });
  if (fresh) fresh.closest("li")?.classList.add("fresh");
}

source.addEventListener("open", () => { sign.hidden = false; });
source.addEventListener("error", () => { sign.hidden = true; });
function plan() {
  if ("older" in list.dataset) return;
  planned ||= setTimeout(renew, 400); // several at once are one refresh
}
source.addEventListener("case", plan);
document.addEventListener("cases-changed", plan); // of homes too, which no event stream tells of
// j and k go from one to the next, Enter opens as for any link.
addEventListener("keydown", (event) => {
  const step = { j: 1, k: -1 }[event.key];
  if (!step || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea")) return;
  const links = [...list.querySelectorAll(".case-what > a")];
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step];
  if (next) { next.focus(); event.preventDefault(); }
});
addEventListener("pagehide", () => source.close(), { once: true });
