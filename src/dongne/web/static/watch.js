// Looks whether a life is at stake: rings until somebody takes it on, says so in the title and on the page, and tells
// the other scripts of the page when something changed. The tone is made here; nothing is loaded.
import { text } from "./texts.js";

const EVERY_MS = 2000;
const REMIND_MS = 60_000;
const bar = document.querySelector("#watch");
const alarm = bar.querySelector("[data-alarm]");
const state = bar.querySelector("[data-sound-state]");
const button = bar.querySelector("[data-sound]");
const spoken = bar.querySelector("[data-say]");
const place = document.querySelector("[data-case]");
const title = document.title;
let revision = null, ringing = 0, lost = false, reminded = 0, audio = null;

const wanted = () => localStorage.getItem("alarm-sound") !== "off";
const playing = () => wanted() && audio?.state === "running";

/** Two tones, as loud as the machine is set, every two seconds while something rings. */
function tone() {
  if (!ringing || !playing()) return;
  [880, 660].forEach((pitch, index) => {
    const [wave, gain] = [audio.createOscillator(), audio.createGain()];
    const at = audio.currentTime + index * 0.35;
    wave.frequency.value = pitch;
    gain.gain.setValueAtTime(0.0001, at);
    gain.gain.exponentialRampToValueAtTime(0.5, at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.32);
    wave.connect(gain).connect(audio.destination);
    wave.start(at);
    wave.stop(at + 0.34);
  });
}

async function allow() {
  audio ??= new AudioContext();
  if (audio.state !== "running") await Promise.race([audio.resume(), new Promise((done) => setTimeout(done, 500))]);
  show();
}

function show() {
  bar.hidden = false;
  const sound = !wanted() ? "muted" : playing() ? "on" : "blocked";
  bar.dataset.state = sound;
  bar.classList.toggle("ringing", ringing > 0);
  bar.classList.toggle("lost", lost);
  state.textContent = lost ? text("watch.lost") : text(`watch.${sound}`);
  button.textContent = text(sound === "on" ? "watch.mute" : "watch.enable");
  button.setAttribute("aria-pressed", String(sound === "on"));
  alarm.hidden = !ringing;
  if (ringing) alarm.textContent = text("watch.ringing", { n: ringing });
  document.title = ringing ? `(${ringing}) ${text("watch.title")} · ${title}` : title;
}

function say(words) { if (spoken.textContent !== words) spoken.textContent = words; }

async function look() {
  const query = place ? `?case=${encodeURIComponent(place.dataset.case)}` : "";
  const answer = await fetch(`/cases/watch.json${query}`, { cache: "no-store" }).catch(() => null);
  lost = !answer?.ok;
  if (!lost) take(await answer.json());
  show();
}

function take(said) {
  const more = said.ringing > ringing;
  ringing = said.ringing;
  if (said.first) alarm.href = ringing > 1 ? "/cases" : said.first;
  if (more) { say(text("watch.ringing", { n: ringing })); reminded = performance.now(); tone(); }
  if (!ringing) say("");
  if (ringing && !playing() && performance.now() - reminded > REMIND_MS) {
    reminded = performance.now();
    say(`${text("watch.ringing", { n: ringing })} ${text(wanted() ? "watch.blocked" : "watch.muted")}`);
  }
  if (revision !== null && revision !== said.revision) document.dispatchEvent(new CustomEvent("cases-changed"));
  revision = said.revision;
  if (place && said.case && said.case.events > Number(place.dataset.events)) {
    const notice = document.querySelector("#case-changed");
    notice.hidden = false;
    notice.querySelector("[data-what]").textContent = said.case.said;
  }
}

button.addEventListener("click", async () => {
  const on = playing();
  localStorage.setItem("alarm-sound", on ? "off" : "on");
  if (!on) await allow();
  show();
  tone();
});
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { if (wanted() && !playing()) allow(); });
if (wanted()) allow(); // where the browser lets us; else it waits for the first key or click
look();
setInterval(look, EVERY_MS);
setInterval(tone, EVERY_MS);
