"""POST /v1.1/$batch: several requests at once; a group of changes is one Transaction."""

import re
from collections.abc import Awaitable, Callable
from itertools import groupby
from urllib.parse import parse_qsl, unquote

import msgspec

from dongne.model.errors import BadInput, DongneError
from dongne.standards.sensorthings.batch import Answer, Part, parse_batch
from dongne.web.api.changes.changer import Asked, Changer, Outcome, decoded
from dongne.web.api.context import ApiContext, Scope

Read = Callable[[Scope, str], Awaitable[tuple[bytes, bytes]]]
_REFERENCE = re.compile(r"^\$([A-Za-z0-9_.-]+)(?=/|$|\?)")
_IN_BODY = re.compile(rb'"\$([A-Za-z0-9_.-]+)"')


class Batches:
    """Answers batches. What a part made is `$id` in later ones: in their address, and as an `@iot.id`."""

    def __init__(self, context: ApiContext, changer: Changer, read: Read) -> None:
        self._context, self._changer, self._read = context, changer, read

    async def answer(self, scope: Scope, root: str, body: bytes, content_type: str) -> list[Answer]:
        """What became of each part, in order. Raises BadInput where the whole can't be read."""
        answers: list[Answer] = []
        made: dict[str, str] = {}  # id of a part -> what it made, as Things(5)
        for group, parts in groupby(parse_batch(body, content_type), key=lambda part: part.group):
            if group:
                answers += await self._together(scope, root, list(parts), made)
            else:
                for part in parts:
                    answers.append(await self._alone(scope, root, part, made))
        return answers

    async def _alone(self, scope: Scope, root: str, part: Part, made: dict[str, str]) -> Answer:
        try:
            if part.method == "GET":
                path, _, options = _referred(part.url, made).partition("?")
                inner = {**scope, "method": "GET", "query_string": options.encode()}
                body, _ = await self._read(inner, unquote(path))
                return Answer(part.id, 200 if body else 204, body)
            return (await self._store(scope, root, [part], made))[0]
        except DongneError as error:
            return _refused(part, error)

    async def _together(self, scope: Scope, root: str, parts: list[Part], made: dict[str, str]) -> list[Answer]:
        """All of a group, or the one error for which nothing of it was done."""
        try:
            return await self._store(scope, root, parts, made)
        except DongneError as error:
            return [_refused(parts[0], error)]

    async def _store(self, scope: Scope, root: str, parts: list[Part], made: dict[str, str]) -> list[Answer]:
        work = self._changer.begin(self._context.who_of(scope))
        outcomes: list[tuple[Part, Outcome]] = []
        here = dict(made)
        for part in parts:
            if part.method == "GET":
                raise BadInput(
                    f"{part.id}: a group of changes has no GET in it; put it before or after", reason="batch"
                )
            path, _, options = _referred(part.url, here).partition("?")
            body = _IN_BODY.sub(lambda found: _id_of(found, here), part.body)
            pairs = parse_qsl(options, keep_blank_values=True)
            asked = Asked(part.method, unquote(path).strip("/"), pairs, decoded(body, part.method), part.content_type)
            try:
                outcome = self._changer.apply(work, asked)
            except DongneError as error:
                error.message = f"{part.id}: {error.message}"
                raise
            if outcome.made_in and not outcome.is_row:
                here[part.id] = f"{outcome.made_in}({outcome.made})"
            outcomes.append((part, outcome))
        receipt = await self._changer.store(work)
        made.update(here)
        first = receipt.numbers[-1] if receipt and work.rows else 0
        answers = []
        for part, outcome in outcomes:
            location = outcome.address(root, first) if outcome.made_in else ""
            if outcome.is_row:
                made[part.id] = f"{outcome.made_in}({outcome.made + first})"
            answers.append(Answer(part.id, outcome.status, b"", location, part.group))
        return answers


def _referred(url: str, made: dict[str, str]) -> str:
    found = _REFERENCE.match(url)
    if found is None or found[1] not in made:
        return url
    return made[found[1]] + url[found.end() :]


def _id_of(found: "re.Match[bytes]", made: dict[str, str]) -> bytes:
    known = made.get(found[1].decode())
    return found[0] if known is None else known.partition("(")[2].rstrip(")").encode()


def _refused(part: Part, error: DongneError) -> Answer:
    document = {"code": error.status, "type": "error", "message": error.message}
    return Answer(part.id, error.status, msgspec.json.encode(document), "", part.group)
