// Offers the place where somebody stands for a form that asks for one. Nothing is sent before the form is.
const form = document.querySelector("[data-locate]");
if (form && "geolocation" in navigator) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button quiet", textContent: form.dataset.locate });
  button.addEventListener("click", () => {
    navigator.geolocation.getCurrentPosition(({ coords }) => {
      form.elements.lon.value = coords.longitude.toFixed(5);
      form.elements.lat.value = coords.latitude.toFixed(5);
    });
  });
  form.querySelector(".row").append(button);
}
