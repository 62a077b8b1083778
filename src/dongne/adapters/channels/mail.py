"""Mail by SMTP (RFC 5321). What the server said when it took a message is the receipt; whether it was delivered is not known."""

import asyncio
import re
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from hashlib import sha256

import aiosmtplib

from dongne.model.channels import MailConfig
from dongne.runtime.channels import Message, Outcome

CONNECTIONS = 10
_ADDRESS = re.compile(r"[^\s@,;:<>\"()\[\]\\]+@[^\s@,;:<>\"()\[\]\\]+")
_NEVER = frozenset({550, 551, 553})  # mailbox unknown, not here, name not allowed (RFC 5321, 4.2.2)


class MailChannel:
    """Sends by one server."""

    name = "mail"

    def __init__(self, config: MailConfig, password: str = "") -> None:
        self._config, self._password = config, password
        self._domain = parseaddr(config.sender)[1].rpartition("@")[2]
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def send(self, message: Message) -> Outcome:
        """What came of one attempt."""
        if not _ADDRESS.fullmatch(message.to):
            return Outcome(ok=False, error="this is no mail address", is_final=True)
        try:
            async with self._room, asyncio.timeout(self._config.timeout_s):
                return Outcome(ok=True, receipt=await self._send(write(message, self._config.sender, self._domain)))
        except TimeoutError:
            return Outcome(ok=False, error=f"no answer within {self._config.timeout_s:g} s")
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return _refused(refused.recipients[0], message.to)
        except aiosmtplib.SMTPResponseException as refused:
            return _failed(f"{refused.code} {refused.message}", message.to)
        except (aiosmtplib.SMTPException, OSError, ValueError) as why:
            return _failed(f"{type(why).__name__}: {why}", message.to)

    async def _send(self, mail: EmailMessage) -> str:
        config = self._config
        client = aiosmtplib.SMTP(
            hostname=config.host, port=config.port, timeout=config.timeout_s, use_tls=config.tls == "tls",
            start_tls=config.tls == "starttls", username=config.user or None, password=self._password or None,
            local_hostname=self._domain or "localhost", tls_context=None if config.tls == "none" else _trusted(config.ca_file),
        )  # fmt: skip
        try:
            await client.connect()
            _, said = await client.send_message(mail)
        finally:  # at once, also where the server no longer answers: closed, TLS would wait for its good-bye
            if isinstance(client.transport, asyncio.WriteTransport):
                client.transport.abort()
            client.close()
        return said[:200]

    async def close(self) -> None:
        """Nothing is kept open."""


def write(message: Message, sender: str, domain: str) -> EmailMessage:
    """The mail. Its Message-ID follows from the message's id, so that a mailbox knows a repeat."""
    mail = EmailMessage()
    mail.set_content(f"{message.text}\n\n{message.answer_url}\n" if message.answer_url else f"{message.text}\n")
    mail["From"] = sender
    mail["To"] = message.to
    mail["Subject"] = " ".join(message.subject.split())
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{sha256(message.id.encode()).hexdigest()[:40]}@{domain or 'localhost'}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is to be answered to us
    mail["Content-Language"] = message.language
    if message.urgent:
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    return mail


def _refused(refused: aiosmtplib.SMTPRecipientRefused, to: str) -> Outcome:
    failed = _failed(f"{refused.code} {refused.message}", to)
    return Outcome(ok=False, error=failed.error, is_final=refused.code in _NEVER)


def _failed(error: str, to: str) -> Outcome:
    return Outcome(ok=False, error=error.replace(to, "...")[:300])


def _trusted(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file or None)
