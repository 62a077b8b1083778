"""How a city's messages reach people, as `[channels]` in its `city.toml` says. Secrets never stand there: a key that ends in
`_file` names a file (relative to the city's data folder), one that ends in `_env` a variable of the environment."""

from typing import Annotated, Literal

import msgspec

Seconds = Annotated[float, msgspec.Meta(gt=0, le=600)]
Times = Annotated[int, msgspec.Meta(ge=1, le=10)]


class MailConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mail server that takes messages (SMTP). `sender` is "Name <address>". `tls`: begun on the line ("starttls"), from the
    first byte ("tls"), or none, for a server of this machine. `timeout_s` is for all of one message."""

    host: str
    sender: str
    port: int = 587
    user: str = ""
    password_file: str = ""
    password_env: str = ""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: str = ""
    timeout_s: Seconds = 20.0


class SmsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gateway for short messages: each is a POST to `url`. `sender` is a number or a name that the gateway knows. What is
    longer than `most_segments` (67 Korean characters each) is cut."""

    url: str
    sender: str = ""
    token_file: str = ""
    token_env: str = ""
    most_segments: Times = 3
    timeout_s: Seconds = 10.0


class PushConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Web push. `subject` is where a push service finds who sends (mailto: or https:), `key_file` the private key (P-256,
    PEM). What isn't delivered after `ttl_s` is dropped by the push service. `inside`: push services of this machine and
    its network are allowed, and http."""

    subject: str
    key_file: str = ""
    key_env: str = ""
    ttl_s: Annotated[int, msgspec.Meta(ge=0, le=2_419_200)] = 3_600
    inside: bool = False
    timeout_s: Seconds = 10.0


class MessengerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A messenger behind a webhook. An address that is a URL gets the POST itself; all others are sent to `url`. `inside` as
    with push, and only for addresses: `url` may be anywhere."""

    url: str = ""
    secret_file: str = ""
    secret_env: str = ""
    inside: bool = False
    timeout_s: Seconds = 10.0


class VoiceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gateway for telephone calls: each is a POST to `url`. It rings `ring_s`, waits `key_wait_s` for a key, and asks
    `times`. `timeout_s` is for the gateway's answer to one request."""

    url: str
    caller: str = ""
    token_file: str = ""
    token_env: str = ""
    ring_s: Seconds = 30.0
    key_wait_s: Seconds = 8.0
    times: Times = 3
    timeout_s: Seconds = 10.0


class SpeakerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speech in homes, made by espeak-ng (`program`). It is played by `command`, which gets it (WAV) on its standard input
    and in which "{to}" is the speaker's name, or sent by POST to `url`."""

    program: str = "espeak-ng"
    words_per_min: Annotated[int, msgspec.Meta(ge=80, le=300)] = 130
    command: tuple[str, ...] = ()
    url: str = ""
    token_file: str = ""
    token_env: str = ""
    timeout_s: Seconds = 60.0


class DeskConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A desk of a control centre, to which alarms go (docs/dispatch.md). `takes_tests`: it is a simulator or a test line; alarms
    of homes where nobody lives go only to such desks, and those of people never. `timeout_s` is for all of one attempt."""

    name: str
    url: str
    token_file: str = ""
    token_env: str = ""
    takes_tests: bool = False
    timeout_s: Seconds = 4.0


class DispatchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """119 or whoever answers such calls. `sender` names the city to it (a mail address or host), `desks` are asked in their
    order."""

    sender: str
    desks: tuple[DeskConfig, ...]


class ChannelsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The channels there are. `simulated`: none of these is used, and whatever is sent stays in simulators of this machine."""

    simulated: bool = False
    mail: MailConfig | None = None
    sms: SmsConfig | None = None
    push: PushConfig | None = None
    messenger: MessengerConfig | None = None
    voice: VoiceConfig | None = None
    speaker: SpeakerConfig | None = None
    dispatch: DispatchConfig | None = None

    @property
    def names(self) -> frozenset[str]:
        """Those that a message can go by; where it is simulated, all of them."""
        names = set(self.__struct_fields__) - {"simulated"}
        return frozenset(name for name in names if self.simulated or getattr(self, name) is not None)
