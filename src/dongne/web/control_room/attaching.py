"""POST /cases/<id>/attach: a picture joins a Case, drawn anew without what lies hidden in its file; GET
/cases/<id>/attachments/<sha256>: the picture, for who may see the Case.

Cases of homes take none: a picture of somebody's home would lie outside of what is encrypted for them.
"""

import asyncio
from collections.abc import AsyncGenerator
from urllib.parse import quote

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dongne.model.case_kinds import ATTACH, kind_of
from dongne.model.cases import Attachment, Case, CaseEvent
from dongne.model.errors import BadInput, Conflict, NotFound, TooLarge
from dongne.model.records import RecordKind
from dongne.model.times import from_us
from dongne.runtime.ports import Entry, Transaction
from dongne.web.context import Attachments
from dongne.web.control_room.cases import case_page, say_by
from dongne.web.control_room.pictures import MEDIA_TYPES, MOST_BYTES, clean_picture
from dongne.web.forms import FIELD, check_form, check_origin
from dongne.web.frame import Page, is_id, open_page

MOST_ATTACHED = 20  # to one Case
NAME_LENGTH, ABOUT_LENGTH, WHO_LENGTH = 80, 200, 80
FORM_BYTES = MOST_BYTES + (64 << 10)
SAFE = "default-src 'none'; sandbox; frame-ancestors 'none'"  # a picture does nothing, whatever a browser makes of it
ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


async def attach(request: Request) -> Response:
    """Fields: file, about (what is to be seen), who, events. Raises BadInput or TooLarge for a file that is not taken."""
    page = open_page(request)
    case = await asyncio.to_thread(page.seen.get_case, request.path_params["id"])
    kept = get_attachments(page)
    page.who.must(kind_of(case.kind).right_of(ATTACH), case.thing)
    check_origin(request, page.context)
    async with _ReadForm(request) as form:
        check_form(request, page.context, _text(form, FIELD))
        known = _text(form, "events")
        if is_id(known) and int(known) != case.events:
            return await asyncio.to_thread(
                case_page, page, case.id, 409, page.words.say("case.stale"), since=int(known)
            )
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.size:
            return await asyncio.to_thread(case_page, page, case.id, 400, page.words.say("case.needs_file"))
        if len(case.attachments) >= MOST_ATTACHED:
            raise Conflict(f"a case has at most {MOST_ATTACHED} attachments; put it into another one and link them")
        about = _text(form, "about").strip()[:ABOUT_LENGTH]
        given = {key: value for key, value in form.items() if isinstance(value, str)}
        attachment = await asyncio.to_thread(_keep, kept, await file.read(), file.filename or "", about)
    event = CaseEvent(
        key=case.key, kind=case.kind, action=ATTACH, name=case.name, time=from_us(page.now_us), thing=case.thing,
        service=case.service, by=say_by(page, given)[:WHO_LENGTH], attachments=(attachment,), expects=case.events if known else 0,
    )  # fmt: skip
    try:
        entry = Entry(RecordKind.CASE, msgspec.msgpack.encode(event))
        await asyncio.wrap_future(page.store.submit(Transaction([entry])))
    except Conflict:
        return await asyncio.to_thread(case_page, page, case.id, 409, page.words.say("case.stale"), since=case.events)
    await asyncio.to_thread(page.context.gate.write_down, page.who, f"Case {ATTACH}", str(case.id), attachment.sha256)
    return RedirectResponse(f"{page.case_path(case)}?saved={ATTACH}", 303)


def get_attachments(page: Page) -> Attachments:
    """Where attachments are. Raises NotFound where this server keeps none."""
    if page.context.attachments is None:
        raise NotFound("this server keeps no attachments")
    return page.context.attachments


def show(request: Request) -> Response:
    """The picture. With `?download` a browser saves it."""
    page = open_page(request)
    case = page.seen.get_case(request.path_params["id"])
    found = find_attachment(case, request.path_params["sha256"])
    body = get_attachments(page).read(found.sha256)
    way = "attachment" if "download" in request.query_params else "inline"
    ending = ENDINGS[found.media_type]
    stem = found.name.rpartition(".")[0] or found.name or f"case-{case.id}"
    headers = {
        "content-disposition": f"{way}; filename=\"case-{case.id}.{ending}\"; filename*=UTF-8''{quote(stem, safe='')}.{ending}",
        "content-security-policy": SAFE, "x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store" if page.who.is_known else "private, no-cache",
    }  # fmt: skip
    return Response(body, media_type=found.media_type, headers=headers)


def find_attachment(case: Case, sha256: str) -> Attachment:
    """Raises NotFound where the Case has none such, whatever others have."""
    for found in case.attachments:
        if found.sha256 == sha256 and found.media_type in MEDIA_TYPES.values():
            return found
    raise NotFound(f"case {case.id} has no such attachment")


def _keep(kept: Attachments, body: bytes, name: str, about: str) -> Attachment:
    picture = clean_picture(body)
    shown = "".join(c for c in name.replace("\\", "/").rpartition("/")[2] if c.isprintable())[:NAME_LENGTH]
    return Attachment(
        sha256=kept.keep(picture.body), media_type=picture.media_type, size_bytes=len(picture.body), name=shown, about=about,
        width_px=picture.width_px, height_px=picture.height_px,
    )  # fmt: skip


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


class _ReadForm:
    """The form with its file, which is gone afterwards. Raises TooLarge as soon as there is more than is taken."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._form: FormData | None = None

    async def __aenter__(self) -> FormData:
        kind = self._request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "multipart/form-data":
            raise BadInput(f"a form with a file is sent as multipart/form-data, not as {kind[:60]!r}", reason="form")
        try:
            parser = MultiPartParser(self._request.headers, self._stream(), max_files=1, max_fields=20)
            self._form = await parser.parse()
        except (MultiPartException, KeyError) as error:
            raise BadInput(f"the form can't be read: {str(error)[:100]}", reason="form") from None
        return self._form

    async def __aexit__(self, *_: object) -> None:
        if self._form is not None:
            await self._form.close()

    async def _stream(self) -> AsyncGenerator[bytes, None]:
        size = 0
        async for part in self._request.stream():
            size += len(part)
            if size > FORM_BYTES:
                raise TooLarge(f"the file has more than {MOST_BYTES >> 20} MiB; send a smaller one", reason="picture")
            yield part


ROUTES = [
    Route("/cases/{id:int}/attach", attach, methods=["POST"]),
    Route("/cases/{id:int}/attachments/{sha256}", show),
]
