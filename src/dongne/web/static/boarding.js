// Keeps a boarding line alive: looks again when something is stored, and says how old what it shows is when nothing comes any more.
// Colours never outlive their limit, also when the server is gone: the page knows when it was heard of, and its own clock goes on.
import { cityNow, onObservations, refresh } from "./live.js";

const LOOK_MS = 5000;
const LOST_AFTER = 2; // looks in vain
const board = document.querySelector("#board");
let missed = 0, looking = false, again = false;

const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const formats = new Map();

function ago(language, time) {
  if (!formats.has(language)) formats.set(language, new Intl.RelativeTimeFormat(language, { numeric: "always" }));
  const seconds = Math.max(1, Math.floor((cityNow() - time) / 1000));
  const [unit, length] = STEPS.find(([, size]) => seconds >= size);
  return formats.get(language).format(-Math.round(seconds / length), unit);
}

function grow() {
  for (const one of board.querySelectorAll("[data-age-state]")) {
    const { heard, old, gone } = one.dataset;
    const now = cityNow();
    const age = Number(heard) === 0 || now >= Number(gone) ? "gone" : now >= Number(old) || missed >= LOST_AFTER ? "old" : "live";
    for (const name of ["live", "old", "gone"]) one.classList.toggle(name, name === age);
    for (const words of one.querySelectorAll("[data-age-words]")) {
      if (Number(heard)) words.textContent = ago(words.closest("[lang]").lang, Number(heard));
    }
  }
  for (const one of board.querySelectorAll(".lost")) one.hidden = missed < LOST_AFTER;
}

async function look() {
  if (looking) { again = true; return; }
  looking = true;
  do {
    again = false;
    const opened = [...board.querySelectorAll("details")].map((one) => one.open);
    missed = await refresh([board]) ? 0 : missed + 1;
    board.querySelectorAll("details").forEach((one, i) => { one.open = opened[i] ?? false; });
    grow();
  } while (again);
  looking = false;
}

const platforms = [...board.querySelectorAll("[data-platform]")].map((one) => one.dataset.platform);
onObservations(platforms, look, "thing"); // also of Datastreams that the first forecast makes
setInterval(look, LOOK_MS);
setInterval(grow, 1000);
grow();
