// The few words scripts say, as the page brings them in its language.
const texts = JSON.parse(document.body.dataset.texts ?? "{}");

/** The text of a key, with {name} replaced. */
export const text = (key, values = {}) => (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
