// A button beside each block that is meant to be copied.
import { text } from "./texts.js";

for (const block of document.querySelectorAll(".copy")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet";
  button.textContent = text("copy.copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.querySelector("pre").textContent);
    button.textContent = text("copy.copied");
    setTimeout(() => { button.textContent = text("copy.copy"); }, 2000);
  });
  block.append(button);
}
