// The screen at home, by itself: looks what there is, says it aloud, and tells that it was shown. All of it works without.
const EVERY_MS = 2000;
const SAID_AGAIN_MS = 20_000;
const TIMES = 6; // that one question is read aloud
const path = document.body.dataset.path;
const lost = document.querySelector("#lost");
const main = () => document.querySelector("#screen");
let told = "", said = { id: "", times: 0, at: 0 }, sound = null;

async function speak(id) {
  const words = document.querySelector("h1").textContent;
  const language = document.documentElement.lang;
  const voice = globalThis.speechSynthesis?.getVoices().find((one) => one.lang.startsWith(language));
  if (voice) {
    const spoken = Object.assign(new SpeechSynthesisUtterance(words), { lang: voice.lang, voice, rate: 0.85 });
    speechSynthesis.cancel();
    speechSynthesis.speak(spoken);
    return;
  }
  sound?.pause();
  sound = new Audio(`${path}/say.wav?n=${id}${main().dataset.sure ? "&sure=1" : ""}`);
  await sound.play().catch(() => {}); // a browser may want a first touch; the words are on the screen
}

function note() {
  const { shown, asks } = main().dataset;
  const again = main().querySelector("[data-again]");
  if (again) { again.hidden = false; again.onclick = () => speak(shown); }
  if (!shown || document.hidden) return;
  if (told !== shown) {
    fetch(`${path}/shown?n=${shown}`, { method: "POST" }).then((answer) => { if (answer.ok) told = shown; }).catch(() => {});
  }
  if (said.id !== shown) said = { id: shown, times: 0, at: -Infinity };
  const most = asks ? TIMES : 1;
  if (said.times < most && performance.now() - said.at > SAID_AGAIN_MS) {
    said = { id: shown, times: said.times + 1, at: performance.now() };
    speak(shown);
  }
}

async function renew() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) throw new Error(answer.status);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#screen");
  if (fresh.dataset.revision === main().dataset.revision) return;
  const focused = document.activeElement?.closest(".help") ? ".help" : null;
  main().replaceWith(document.adoptNode(fresh));
  if (focused) main().querySelector(focused)?.focus();
}

async function look() {
  try {
    const answer = await fetch(`${path}/now.json`, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const { revision } = await answer.json();
    if (revision !== main().dataset.revision) await renew();
    lost.hidden = true;
  } catch {
    lost.textContent = document.body.dataset.lost;
    lost.hidden = false;
  }
  note();
}

globalThis.speechSynthesis?.getVoices(); // some browsers load them at the first question
note();
setInterval(look, EVERY_MS);
