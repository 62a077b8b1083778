"""The channels of a running city."""

import asyncio
import stat
from pathlib import Path

import pytest

from dongne.compose.channels import SECRET_FILE, CityChannels, get_answer_secret
from dongne.model.channels import ChannelsConfig, SmsConfig
from dongne.model.errors import BadSetup
from dongne.runtime.channels import Message


def test_a_simulated_city_reaches_nobody_but_its_simulators(tmp_path: Path) -> None:
    real = SmsConfig(url="https://sms.example.kr", token_env="NOT_THERE")
    channels = CityChannels(ChannelsConfig(simulated=True, sms=real), tmp_path)
    assert channels.simulators is not None
    try:
        assert list(channels.by_name) == ["mail", "sms", "push", "messenger", "voice", "speaker"]

        async def send() -> bool:
            sms = channels.by_name["sms"]
            outcome = await sms.send(Message(id="m1", to="+821012345678", subject="", text="불"))
            await sms.close()
            return outcome.ok

        assert asyncio.run(send())
        assert [one.id for one in channels.simulators.desks["sms"].received] == ["m1"]
    finally:
        channels.close()


def test_a_second_simulated_city_finds_another_port(tmp_path: Path) -> None:
    first = CityChannels(ChannelsConfig(simulated=True), tmp_path)
    second = CityChannels(ChannelsConfig(simulated=True), tmp_path)
    try:
        assert first.simulators is not None
        assert second.simulators is not None
        assert first.simulators.url != second.simulators.url
    finally:
        first.close()
        second.close()


def test_a_city_without_channels_has_none(tmp_path: Path) -> None:
    channels = CityChannels(ChannelsConfig(), tmp_path)
    assert (channels.by_name, channels.simulators) == ({}, None)


def test_the_secret_of_answer_links_is_drawn_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    secret = get_answer_secret(tmp_path)
    assert len(secret) == 32
    assert get_answer_secret(tmp_path) == secret
    assert stat.S_IMODE((tmp_path / SECRET_FILE).stat().st_mode) == 0o600
    (tmp_path / SECRET_FILE).write_bytes(b"half")
    with pytest.raises(BadSetup, match="cut off"):
        get_answer_secret(tmp_path)
