"""POST /v1.1/$batch: several requests at once; a group of changes is one Transaction."""

import re
from collections.abc import Awaitable, Callable
from itertools import groupby
from math import ceil
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from dongne.model.errors import BadInput, DongneError, RetryLater
from dongne.runtime.ledger import BATCH
from dongne.standards.sensorthings.batch import Answer, Part, parse_batch
from dongne.web.api.changes.changer import Asked, Changer, Outcome, decoded
from dongne.web.api.changes.work import Work
from dongne.web.api.context import ApiContext, Scope
from dongne.web.api.http import check_content_type, check_write

Read = Callable[[Scope, str], Awaitable[tuple[bytes, bytes]]]
_REFERENCE = re.compile(r"^\$([A-Za-z0-9_.-]+)(?=/|$|\?)")
_ID_NAMES = ("@iot.id", "@odata.id", "@id")
_FAILED_DEPENDENCY = 424


class Batches:
    """Answers batches. What a part made is `$id` in later ones: in their address, and as an `@iot.id`."""

    def __init__(self, context: ApiContext, changer: Changer, read: Read) -> None:
        self._context, self._changer, self._read = context, changer, read
        self._way = context.intake.ledger.way(BATCH)

    async def answer(
        self, scope: Scope, root: str, body: bytes, content_type: str, *, to_the_end: bool = True
    ) -> list[Answer]:
        """What became of each part, in order; not `to_the_end`: up to the first that failed. Raises BadInput where the
        whole can't be read."""
        answers: list[Answer] = []
        made: dict[str, str] = {}  # id of a part -> what it made, as Things(5)
        failed: dict[str, str] = {}  # ids of parts and groups that failed -> the part for which they did
        for group, parts in groupby(parse_batch(body, content_type), key=lambda part: part.group):
            for together in [list(parts)] if group else [[part] for part in parts]:
                found = await self._answered(scope, root, together, made, failed)
                answers += found
                if not to_the_end and found[0].status >= 400:
                    return answers
        return answers

    async def _answered(
        self, scope: Scope, root: str, parts: list[Part], made: dict[str, str], failed: dict[str, str]
    ) -> list[Answer]:
        """One part, or the parts of one group."""
        reached = [parts[0]]
        try:
            for part in parts:
                if missed := [other for other in part.depends_on if other in failed]:
                    self._way.count_rejected("failed_dependency", sum(_list_observed(parts, made)))
                    return _failed(parts, failed, _unmet(part, missed[0]))
            if not parts[0].group and parts[0].method == "GET":
                return [await self._got(scope, parts[0], made)]
            return await self._store(scope, root, parts, made, reached)
        except DongneError as error:
            document = {"code": error.status, "type": "error", "message": error.message}
            at = reached[-1]
            after_s = max(1, ceil(error.after_s)) if isinstance(error, RetryLater) else 0
            why = Answer(at.id, error.status, msgspec.json.encode(document), "", at.group, retry_after_s=after_s)
            return _failed(parts, failed, why)

    async def _got(self, scope: Scope, part: Part, made: dict[str, str]) -> Answer:
        path, _, options = _referred(part.url, made).partition("?")
        inner = {**scope, "method": "GET", "query_string": options.encode()}
        body, content = await self._read(inner, unquote(path))
        return Answer(part.id, 200 if body else 204, body, content_type=content.decode())

    async def _store(
        self, scope: Scope, root: str, parts: list[Part], made: dict[str, str], reached: list[Part]
    ) -> list[Answer]:
        observed = _list_observed(parts, made)
        try:
            who = check_write(self._context, scope)
        except DongneError as error:
            self._way.count_rejected(error.reason, sum(observed))
            raise

        def steps(work: Work) -> tuple[list[Outcome], dict[str, str]]:
            here, outcomes = dict(made), list[Outcome]()
            for part, is_observation in zip(parts, observed, strict=True):
                reached.append(part)
                tried = work.tried
                try:
                    outcome = self._changer.apply(work, _asked(part, here))
                except DongneError as error:
                    if is_observation and work.tried == tried:
                        work.tried += 1  # its document could not be read
                    work.tried += sum(observed[len(outcomes) + 1 :])  # what comes after it in the group
                    if part.group:
                        error.message = f"{part.id}: {error.message}"
                    raise
                if outcome.made_in and not outcome.is_row:
                    here[part.id] = f"{outcome.made_in}({outcome.made})"
                outcomes.append(outcome)
            return outcomes, here

        (outcomes, here), receipt = await self._changer.run(who, steps, BATCH, only_observations=all(observed))
        made.update(here)
        first = receipt.numbers[-1] if receipt else 0
        answers = []
        for part, outcome in zip(parts, outcomes, strict=True):
            location = outcome.address(root, first) if outcome.made_in else ""
            if outcome.is_row:
                made[part.id] = f"{outcome.made_in}({outcome.made + first})"
            answers.append(Answer(part.id, outcome.status, outcome.body, location, part.group))
        return answers


def _list_observed(parts: list[Part], made: dict[str, str]) -> list[bool]:
    """Of each part whether it sends an Observation."""
    return [part.method != "GET" and _asked(part, made, bare=True).is_observation for part in parts]


def _asked(part: Part, made: dict[str, str], *, bare: bool = False) -> Asked:
    """The request with what it refers to in place; `bare`: without its document."""
    if part.method == "GET":
        raise BadInput("a group of changes has no GET in it; put it before or after", reason="batch")
    path, _, options = _referred(part.url, made).partition("?")
    pairs = parse_qsl(options, keep_blank_values=True)
    check_content_type(part.content_type.encode("latin-1", "replace"))
    document = None if bare else _with_ids(decoded(part.body, part.method), made)
    return Asked(part.method, unquote(path).strip("/"), pairs, document, part.content_type)


def _referred(url: str, made: dict[str, str]) -> str:
    found = _REFERENCE.match(url)
    if found is None or found[1] not in made:
        return url
    return made[found[1]] + url[found.end() :]


def _with_ids(document: Any, made: dict[str, str]) -> Any:
    """The document with the ids of what was made; only where an id stands."""
    if isinstance(document, list):
        return [_with_ids(one, made) for one in document]
    if not isinstance(document, dict):
        return document
    return {
        name: _id_of(value, made) if name in _ID_NAMES and isinstance(value, str) else _with_ids(value, made)
        for name, value in document.items()
    }


def _id_of(said: str, made: dict[str, str]) -> str | int:
    known = made.get(said[1:]) if said.startswith("$") else None
    return said if known is None else int(known.partition("(")[2].rstrip(")"))


def _failed(parts: list[Part], failed: dict[str, str], why: Answer) -> list[Answer]:
    """The answers of parts of which nothing was done for this reason."""
    failed.update({name: why.id for part in parts for name in (part.id, part.group) if name})
    if not parts[0].is_json:
        return [why]  # a set of changes of a multipart batch has one answer
    return [why if part.id == why.id else _unmet(part, why.id) for part in parts]


def _unmet(part: Part, other: str) -> Answer:
    document = {
        "code": _FAILED_DEPENDENCY,
        "type": "error",
        "message": f"nothing was done for {part.id}, as {other} failed",
    }
    return Answer(part.id, _FAILED_DEPENDENCY, msgspec.json.encode(document), "", part.group)
