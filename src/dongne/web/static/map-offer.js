// The offered map: loaded only when asked for. Without script the button leads to the drawn map.
for (const offer of document.querySelectorAll("[data-map]")) {
  const button = offer.querySelector("[data-map-button]");
  button?.addEventListener("click", async (event) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    button.setAttribute("aria-busy", "true");
    try {
      const { showMap } = await import("./map.js");
      await showMap(offer.querySelector(".map-place"), offer.dataset.map);
    } catch (error) {
      console.warn(error);
      location.assign(button.href);
    }
  });
}
