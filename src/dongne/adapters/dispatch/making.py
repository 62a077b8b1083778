"""The dispatch channel of a configuration."""

from datetime import tzinfo

from dongne.adapters.channels.making import Secrets
from dongne.adapters.dispatch.channel import Directory, DispatchChannel
from dongne.adapters.dispatch.desk import Desk
from dongne.model.channels import DispatchConfig
from dongne.model.errors import BadSetup
from dongne.standards.cap.values import is_token

LOOPBACK = ("http://127.0.0.1", "http://[::1]", "http://localhost")


def make_dispatch(config: DispatchConfig, secrets: Secrets, directory: Directory, zone: tzinfo) -> DispatchChannel:
    """The channel. Raises BadSetup naming the key of city.toml that is wrong, and the remedy."""
    if not is_token(config.sender):
        raise BadSetup("city.toml: channels.dispatch.sender is no mail address or host; write dongne@city.example")
    if not config.desks or len({one.name for one in config.desks}) < len(config.desks):
        raise BadSetup("city.toml: channels.dispatch.desks needs a desk, each with a name of its own")
    desks = []
    for one in config.desks:
        place = f"channels.dispatch.desks {one.name!r}"
        if not one.url.startswith(("https://", *LOOPBACK)):
            raise BadSetup(f"city.toml: {place}: {one.url[:80]!r} is no https://...; http is for this machine only")
        token = secrets.get(f"{place}.token", one.token_file, one.token_env)
        desks.append(
            Desk(
                name=one.name, url=one.url.rstrip("/"), token=token, takes_tests=one.takes_tests,
                timeout_s=one.timeout_s,
            )
        )  # fmt: skip
    return DispatchChannel(desks, directory, sender=config.sender, zone=zone)
