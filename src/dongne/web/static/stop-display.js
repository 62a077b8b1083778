// The screen at a stop, by itself: looks what there is; where the city can't be reached it keeps what it had, with its age.
const EVERY_MS = 10_000;
const lost = document.querySelector("#lost");
let good = Date.now();

async function look() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#board");
    if (!fresh) throw new Error("no board");
    const focused = document.activeElement?.closest("footer a");
    document.querySelector("#board").replaceWith(document.adoptNode(fresh));
    if (focused) document.querySelector("footer a").focus();
    good = Date.now();
    lost.hidden = true;
    document.body.classList.remove("lost");
  } catch {
    lost.textContent = document.body.dataset.lost.replace("{n}", Math.max(1, Math.round((Date.now() - good) / 60_000)));
    lost.hidden = false;
    document.body.classList.add("lost");
  }
}

setInterval(look, EVERY_MS);
