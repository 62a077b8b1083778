"""The channels of a configuration, with their secrets out of files and the environment."""

import os
import shutil
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dongne.adapters.channels.mail import MailChannel
from dongne.adapters.channels.messenger import MessengerChannel
from dongne.adapters.channels.post import trusted
from dongne.adapters.channels.push import PushChannel
from dongne.adapters.channels.sms import SmsChannel
from dongne.adapters.channels.speaker import SpeakerChannel, missing
from dongne.adapters.channels.voice import VoiceChannel, Words
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
from dongne.runtime.channels import Channel
from dongne.runtime.words import LANGUAGES, read_words
from dongne.standards.webhooks import PREFIX

NAMES = ("mail", "sms", "push", "messenger", "voice", "speaker")
_TEXTS = Path(__file__).parent / "texts"


class Secrets:
    """Secrets by where they lie: files relative to the city's data folder, variables of the environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._folder, self._environment = folder, environment

    def get(self, place: str, file: str, variable: str) -> str:
        """The secret without blanks around it; empty where neither is named. `place` is the key in city.toml without its
        end, as "channels.sms.token". Raises BadSetup where a named one is missing, or both are named."""
        if file and variable:
            raise BadSetup(f"city.toml: {place}_file and {place}_env are both there; leave one of them out")
        if variable:
            found = self._environment.get(variable, "").strip()
            if not found:
                raise BadSetup(f"city.toml: {place}_env: the variable {variable} is not set; set it, or name another")
            return found
        if not file:
            return ""
        path = self._folder / file
        try:
            found = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetup(f"city.toml: {place}_file: {path} can't be read: {error}; put the secret there") from None
        if not found:
            raise BadSetup(f"city.toml: {place}_file: {path} is empty; put the secret there")
        return found

    def need(self, place: str, file: str, variable: str) -> str:
        """The same of a secret without which the channel can't be. Raises BadSetup."""
        found = self.get(place, file, variable)
        if not found:
            raise BadSetup(f"city.toml: {place}_file or {place}_env is missing; it says where the secret lies")
        return found


def make_channels(config: ChannelsConfig, secrets: Secrets) -> dict[str, Channel]:
    """Each configured channel by its name. Raises BadSetup naming the key of city.toml that is wrong, and the remedy."""
    trusted()  # read now, as it takes a while, and not with the first alarm
    return {channel.name: channel for channel in (_make(one, secrets) for one in _list_configured(config))}


def list_channel_faults(config: ChannelsConfig, secrets: Secrets) -> list[str]:
    """What keeps each of the configured channels from sending, a line each: secrets, and programs of this machine."""
    faults = []
    for one in _list_configured(config):
        try:
            _make(one, secrets)
        except BadSetup as error:
            faults.append(error.message)
    speaker = config.speaker
    if speaker is not None:
        if shutil.which(speaker.program) is None:
            faults.append(missing(speaker.program))
        if speaker.command and shutil.which(speaker.command[0]) is None:
            faults.append(f"city.toml: channels.speaker.command: {speaker.command[0]} is not installed here")
    return faults


def _list_configured(config: ChannelsConfig) -> list[object]:
    return [one for name in NAMES if (one := getattr(config, name)) is not None]


def _make(config: object, secrets: Secrets) -> Channel:
    match config:
        case MailConfig():
            password = secrets.get("channels.mail.password", config.password_file, config.password_env)
            return MailChannel(config, password)
        case SmsConfig():
            return SmsChannel(config, _token("sms", config, secrets))
        case PushConfig():
            return PushChannel(config, _key(secrets.need("channels.push.key", config.key_file, config.key_env)))
        case MessengerConfig():
            return MessengerChannel(config, _signing_secret(config, secrets))
        case VoiceConfig():
            return VoiceChannel(config, _token("voice", config, secrets), read_call_words())
        case SpeakerConfig():
            if bool(config.command) == bool(config.url):
                raise BadSetup("city.toml: channels.speaker needs a command that plays, or a url; one of the two")
            return SpeakerChannel(config, _token("speaker", config, secrets))
    raise TypeError(type(config))


def _token(name: str, config: SmsConfig | VoiceConfig | SpeakerConfig, secrets: Secrets) -> str:
    return secrets.get(f"channels.{name}.token", config.token_file, config.token_env)


def _key(pem: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadSetup(
            "city.toml: channels.push.key is no private key of P-256 in PEM; "
            "`openssl ecparam -name prime256v1 -genkey -noout -out FILE` makes one"
        )
    return key


def _signing_secret(config: MessengerConfig, secrets: Secrets) -> bytes:
    text = secrets.need("channels.messenger.secret", config.secret_file, config.secret_env)
    try:
        return b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise BadSetup(
            f"city.toml: channels.messenger.secret is not written as {PREFIX}... with base64 behind it (Standard Webhooks)"
        ) from None


def read_call_words() -> Words:
    """What a telephone call says beside the message, by language."""
    return {language: read_words(_TEXTS / f"{language}.po") for language in LANGUAGES}
