"""Small drawings: a state's shape, the mark, icons. A state is a colour and a shape and a word, never a colour alone."""

from markupsafe import Markup

STATES = ("calm", "busy", "crowded", "alarm", "stale")
# In a box of 10 x 10; distinct in grey and from afar.
STATE_PATHS = {
    "calm": '<circle cx="5" cy="5" r="4.5"/>',
    "busy": '<rect x=".8" y=".8" width="8.4" height="8.4" rx="1"/>',
    "crowded": '<path d="M5 .5 9.8 9.3H.2Z"/>',
    "alarm": '<path d="M3 .2h4L9.8 3v4L7 9.8H3L.2 7V3Z"/><path d="M4.3 2h1.4L5.5 6h-1zM4.4 6.9h1.2v1.2H4.4z" class="inner"/>',
    "stale": '<path d="M.5 3.6h9v2.8h-9z"/>',
}
ICONS = {
    "people": '<circle cx="9" cy="7" r="3.2"/><path d="M3 20c0-4 2.6-6.4 6-6.4s6 2.4 6 6.4"/><path d="M15.5 4.4a3 3 0 0 1 0 5.4M17.6 14.2c2.2.8 3.4 2.9 3.4 5.8"/>',
    "waste": '<path d="M5 7h14l-1.3 13.2H6.3zM3.5 7h17M9 7V4h6v3M10 11v5.5M14 11v5.5"/>',
    "lighting": '<path d="M6 21h6M9 21V6.5C9 4.6 10.6 3 12.5 3S16 4.6 16 6.5V8M12.5 8h7L21 12H11zM13 15.5l-1 2.5M19 15.5l1 2.5M16 15.5V18"/>',
    "parking": '<rect x="4" y="3" width="16" height="18" rx="3"/><path d="M10 17V7.5h3.2a2.9 2.9 0 0 1 0 5.8H10"/>',
    "train": '<rect x="5" y="3" width="14" height="14" rx="4"/><path d="M5 11h14M9 14h.01M15 14h.01M8 17l-2.500 4M16 17l2.500 4"/>',
    "place": '<path d="M12 21.5s-7-6.3-7-11.5a7 7 0 0 1 14 0c0 5.2-7 11.5-7 11.5z"/><circle cx="12" cy="10" r="2.6"/>',
    "value": '<path d="M3 17.5 8 12l4 3 4.5-7L21 10.5M3 21h18"/>',
    "case": '<path d="M5 3.5h10l4 4v13H5zM15 3.5v4h4M8.5 12h7M8.5 16h5"/>',
}


def state_shape(state: str) -> Markup:
    """The shape of a state, in the colour of the text around it."""
    drawing = STATE_PATHS.get(state, STATE_PATHS["stale"])
    return Markup(f'<svg class="shape" viewBox="0 0 10 10" aria-hidden="true" focusable="false">{drawing}</svg>')


def icon(name: str) -> Markup:
    """A line icon of 24 x 24."""
    drawing = ICONS.get(name, ICONS["value"])
    return Markup(f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{drawing}</svg>')
