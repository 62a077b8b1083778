"""A simulated mail server: it takes mail to whomever, and behaves as it is told."""

import asyncio
from email import message_from_bytes, policy
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from dongne.lab.simulators.behaviour import Desk
from dongne.lab.simulators.people import People, find_link


class Mailbox:
    """Handles what the server gets."""

    def __init__(self, desk: Desk, people: People, closing: asyncio.Event) -> None:
        self._desk, self._people, self._closing = desk, people, closing

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        """What the server says to one mail."""
        mode, behaviour = self._desk.next_mode(), self._desk.behaviour
        if mode == "refuse":
            is_final = behaviour.status < 500 and behaviour.status != 429
            return "550 5.1.1 no such mailbox (simulated)" if is_final else "451 4.3.2 try again later (simulated)"
        if mode == "hang":
            await self._closing.wait()
        if mode == "slow":
            await asyncio.sleep(behaviour.slow_s)
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        body = mail.get_body(("plain",))
        text = "" if body is None else str(body.get_content())
        more: dict[str, Any] = {name: str(mail[name]) for name in ("Subject", "From", "Importance") if mail[name]}
        to = ", ".join(envelope.rcpt_tos)
        taken = self._desk.take(mode, str(mail["Message-ID"]), to, text, again=True, **more)
        self._people.answer(self._desk, find_link(text), behaviour.person, taken.delivered)
        if mode == "drop" and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return f"250 2.0.0 Ok: queued as {taken.number} (simulated)"
