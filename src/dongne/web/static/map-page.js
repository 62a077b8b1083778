// The page of the map: the drawing becomes a map to move in. It stays where the browser can't.
const frame = document.querySelector("[data-map]");
if (frame) {
  import("./map.js")
    .then(({ showMap }) => showMap(frame.querySelector(".map-place"), frame.dataset.map, frame.dataset.centre?.split(",").map(Number)))
    .catch((error) => console.warn(error));
}
