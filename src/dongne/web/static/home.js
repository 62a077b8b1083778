// Keeps the page of a home, and that of a relative, as it is there now: asks whether anything changed, and fetches what did.
import { refresh } from "./live.js";

const EVERY_MS = 1500;
const place = document.querySelector("[data-home-path]");
const regions = [...document.querySelectorAll("[data-live][id]")];
let revision = place.dataset.revision;

async function look() {
  if (document.hidden) return;
  const answer = await fetch(`${place.dataset.homePath}/now.json`, { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) return;
  const said = await answer.json();
  if (said.revision === revision) return;
  await refresh(regions);
  revision = said.revision;
}

setInterval(look, EVERY_MS);
