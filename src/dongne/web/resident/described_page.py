"""/data/api: the operations of the interface, for people who write programs; made of the same document as /openapi.json."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.model.errors import NotFound
from dongne.standards.openapi import Operation
from dongne.web.frame import open_page, render

PATH = "/data/api"


@dataclass(frozen=True)
class Group:
    """The operations of one tag."""

    tag: str
    operations: list[Operation]


def show(request: Request) -> Response:
    """GET /data/api; `tag` opens one group."""
    page = open_page(request)
    description = request.app.state.description
    if description is None:
        raise NotFound("the pages are served here without the open interface")
    groups: dict[str, list[Operation]] = {}
    for operation in description.operations():
        groups.setdefault(operation.tag, []).append(operation)
    listed = sorted((Group(tag, found) for tag, found in groups.items()), key=lambda group: group.tag.lower())
    return render(page, "described.html", groups=listed, chosen=request.query_params.get("tag", ""))


ROUTES = [Route(PATH, show)]
