"""What feeds what, as a drawing: properties, the services that read them, and what those say, from left to right."""

from dataclasses import dataclass

from markupsafe import Markup, escape

from dongne.model.case_kinds import CASE_KINDS
from dongne.runtime.ports import ServiceStatus
from dongne.web.frame import Page

BOX = (228, 38)
GAP = (84, 12)
EDGE = 2


@dataclass(frozen=True)
class Node:
    """A box: `kind` property, service or case."""

    id: str
    kind: str
    label: str
    link: str


def find_nodes(page: Page, statuses: list[ServiceStatus]) -> tuple[dict[str, Node], list[tuple[str, str]]]:
    """Boxes by id, and arrows between them."""
    nodes: dict[str, Node] = {}
    arrows: list[tuple[str, str]] = []

    def value(key: str) -> str:
        is_case = key in CASE_KINDS
        label = page.names.case_kind(key) if is_case else page.names.property(key)
        link = f"/cases?kind={key}" if is_case else f"/things?property={key}"
        return nodes.setdefault(f"value:{key}", Node(f"value:{key}", "case" if is_case else "property", label, link)).id

    for status in statuses:
        if not (status.reads or status.emits):
            continue  # joined to nothing: an answer over everything
        own = f"service:{status.id}"
        nodes[own] = Node(own, "service", page.names.service(status.id), f"/services/{status.id}")
        arrows += [(value(key), own) for key in status.reads]
        arrows += [(own, value(key)) for key in status.emits if key not in status.reads]
    return nodes, arrows


def find_columns(nodes: dict[str, Node], arrows: list[tuple[str, str]]) -> list[list[str]]:
    """Boxes by how many arrows lead up to them at most; circles (there should be none) end after as many steps as boxes."""
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:
        changed = False
        for begin, end in arrows:
            if depth[end] < depth[begin] + 1 <= len(nodes):
                depth[end] = depth[begin] + 1
                changed = True
        if not changed:
            break
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name, place in depth.items():
        columns[place].append(name)
    return [column for column in columns if column]


def order_columns(columns: list[list[str]], arrows: list[tuple[str, str]]) -> list[list[str]]:
    """Each box near the middle of what leads to it, so that few arrows cross."""
    ordered = [list(columns[0])] if columns else []
    for column in columns[1:]:
        rows = {name: row for earlier in ordered for row, name in enumerate(earlier)}

        def middle(name: str, rows: dict[str, int] = rows) -> float:
            found = [rows[begin] for begin, end in arrows if end == name and begin in rows]
            return sum(found) / len(found) if found else 99.0

        ordered.append(sorted(column, key=middle))
    return ordered


def place_columns(columns: list[list[str]], arrows: list[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """The corner of each box: the tallest column is spread evenly, every other box lies beside what it is joined to."""
    step = BOX[1] + GAP[1]
    tallest = max(range(len(columns)), key=lambda i: len(columns[i]))
    rows = {name: EDGE + float(row * step) for row, name in enumerate(columns[tallest])}
    for i in sorted(set(range(len(columns))) - {tallest}, key=lambda i: abs(i - tallest)):
        wished: list[tuple[float, str]] = []
        for name in columns[i]:
            joined = [
                rows[b if a == name else a] for a, b in arrows if name in (a, b) and (b if a == name else a) in rows
            ]
            wished.append((sum(joined) / len(joined) if joined else len(columns[tallest]) * step, name))
        least = float(EDGE)
        for row, name in sorted(wished):
            rows[name] = max(row, least)
            least = rows[name] + step
    return {name: (EDGE + i * (BOX[0] + GAP[0]), rows[name]) for i, column in enumerate(columns) for name in column}


def draw_feeding(page: Page, statuses: list[ServiceStatus]) -> Markup:
    """The drawing; empty where nothing runs. The same is in the list below it."""
    nodes, arrows = find_nodes(page, statuses)
    columns = order_columns(find_columns(nodes, arrows), arrows)
    if not columns:
        return Markup("")
    places = place_columns(columns, arrows)
    height = max(y for _, y in places.values()) + BOX[1] + EDGE
    width = len(columns) * (BOX[0] + GAP[0]) - GAP[0] + 2 * EDGE
    lines = "".join(_arrow(places[begin], places[end]) for begin, end in arrows)
    boxes = "".join(_box(nodes[name], place) for name, place in places.items())
    label = escape(page.words.say("services.drawing"))
    return Markup(
        f'<svg class="feeding" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}" role="group" '
        f'aria-label="{label}">{lines}{boxes}</svg>'
    )


def _arrow(begin: tuple[float, float], end: tuple[float, float]) -> str:
    x0, y0 = begin[0] + BOX[0], begin[1] + BOX[1] / 2
    x1, y1 = end[0], end[1] + BOX[1] / 2
    bend = max((x1 - x0) / 2, 30)
    return (
        f'<path class="arrow" d="M{x0:g} {y0:g}C{x0 + bend:g} {y0:g} {x1 - bend:g} {y1:g} {x1 - 7:g} {y1:g}"/>'
        f'<path class="tip" d="M{x1 - 8:g} {y1 - 4:g}L{x1 - 1:g} {y1:g}L{x1 - 8:g} {y1 + 4:g}Z"/>'
    )


def _box(node: Node, place: tuple[float, float]) -> str:
    x, y = place
    radius = 12 if node.kind == "service" else BOX[1] / 2 if node.kind == "property" else 3
    return (
        f'<a class="box {node.kind}" href="{escape(node.link)}"><rect x="{x:g}" y="{y:g}" width="{BOX[0]}" height="{BOX[1]}" '
        f'rx="{radius:g}"/><title>{escape(node.label)}</title><text x="{x + BOX[0] / 2:g}" y="{y + BOX[1] / 2 + 5:g}" text-anchor="middle">'
        f"{escape(_short(node.label))}</text></a>"
    )


def _short(label: str, most: float = 29.0) -> str:
    """The label as far as it fits: Hangul takes about twice the width of Latin."""
    width, kept = 0.0, ""
    for character in label:
        width += 1.75 if ord(character) > 0x1100 else 1.0
        if width > most:
            return kept.rstrip() + "…"
        kept += character
    return kept
