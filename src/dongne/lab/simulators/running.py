"""All simulated channels of one machine, run in a thread of their own."""

import asyncio
import socket
import threading
from typing import Self

from aiosmtpd.smtp import SMTP
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dongne.lab.simulators.behaviour import Desk
from dongne.lab.simulators.gateways import MESSENGER_SECRET, TOKENS, Gateways, subscription_of
from dongne.lab.simulators.listening import Listening
from dongne.lab.simulators.mailbox import Mailbox
from dongne.lab.simulators.people import People
from dongne.model.channels import (
    ChannelsConfig,
    MailConfig,
    MessengerConfig,
    PushConfig,
    SmsConfig,
    SpeakerConfig,
    VoiceConfig,
)
from dongne.model.errors import BadSetup
from dongne.standards.webhooks import secret_text

CHANNELS = ("mail", "sms", "push", "messenger", "voice", "speaker")
SENDER = '"Dongne, simulated" <dongne@example.org>'
CLOSE_S = 5.0


class Simulators:
    """Simulators at this host: HTTP at `port`, mail at the port behind it; any free ones where it is 0.

    `config`, and `environment` with the secrets that it names, are what a city needs to use them; `desks` by channel is how to tell each to behave, and
    what it was sent.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._host = host
        self._http = _listen(host, port)
        try:
            self._smtp = _listen(host, port + 1 if port else 0)
        except BadSetup:
            self._http.close()
            raise
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._http.getsockname()[1]}"
        self.smtp_port: int = self._smtp.getsockname()[1]
        self.desks = {name: Desk(name) for name in CHANNELS}
        self.environment = _environment()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="simulators", daemon=True)

    @property
    def config(self) -> ChannelsConfig:
        """Channels that end here."""
        url = self.url
        return ChannelsConfig(
            simulated=True,
            mail=MailConfig(host=self._host, port=self.smtp_port, sender=SENDER, tls="none"),
            sms=SmsConfig(url=f"{url}/sms", sender="0310000000", token_env="SIMULATED_SMS"),
            push=PushConfig(subject="mailto:dongne@example.org", key_env="SIMULATED_PUSH", inside=True),
            messenger=MessengerConfig(url=f"{url}/messenger", secret_env="SIMULATED_MESSENGER", inside=True),
            voice=VoiceConfig(url=f"{url}/voice", caller="0310000000", token_env="SIMULATED_VOICE"),
            speaker=SpeakerConfig(url=f"{url}/speaker", token_env="SIMULATED_SPEAKER"),
        )

    def subscription(self, name: str) -> str:
        """The push address of a simulated browser."""
        return subscription_of(name, self.url)

    def start(self) -> None:
        """They answer."""
        self._thread.start()

    def close(self) -> None:
        """Whatever hangs is let go."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(CLOSE_S)
        for one in (self._http, self._smtp):
            one.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        people = People()
        mailbox = Mailbox(self.desks["mail"], people, self._stop)
        gateways = Gateways(self.desks, people, self._stop, self.url)
        answering = Listening(gateways.app(), self._http)
        mails = await self._loop.create_server(
            lambda: SMTP(mailbox, hostname="simulated", ident="Dongne (simulated)", loop=self._loop), sock=self._smtp
        )
        await answering.start()
        await self._stop.wait()
        await answering.stop()
        mails.close()
        await people.close()
        await _let_go()


async def _let_go() -> None:
    """Ends what is still at work for somebody connected, so that no connection outlives the loop."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0)  # what was closed goes with the next turn of the loop


def _environment() -> dict[str, str]:
    """Known to everybody, as they guard nothing; only the push key is drawn, since any is right."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        **{f"SIMULATED_{name.upper()}": token for name, token in TOKENS.items()},
        "SIMULATED_MESSENGER": secret_text(MESSENGER_SECRET),
        "SIMULATED_PUSH": pem.decode(),
    }


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise BadSetup(f"can't listen at {host}:{port}: {error.strerror}; choose others with --port-base") from error
    return made
