// The questions at home give way at once to whatever the screen has to ask or tell, and after a while of nobody's answering.
const { path, revision } = document.body.dataset;
const LOOK_MS = 2000;
const LEFT_MS = 300000;
let touched = Date.now();

const back = () => location.replace(path);

async function look() {
  try {
    const answer = await fetch(`${path}/now.json`, { cache: "no-store" });
    if (answer.ok && (await answer.json()).revision !== revision) return back();
  } catch {
    return back(); // the screen says that the line is lost
  }
  if (Date.now() - touched > LEFT_MS) return back();
  setTimeout(look, LOOK_MS);
}

document.addEventListener("input", () => { touched = Date.now(); });
setTimeout(look, LOOK_MS);
