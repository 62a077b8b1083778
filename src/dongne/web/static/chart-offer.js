// Replaces a drawn chart by one to look into, once it is on the screen. The drawn one stays where that fails.
const figure = document.querySelector("[data-uplot]");
if (figure) {
  const seen = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    try {
      const { showChart } = await import("./chart.js");
      await showChart(figure);
    } catch (error) {
      console.warn(error);
    }
  });
  seen.observe(figure);
}
