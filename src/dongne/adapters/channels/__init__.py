"""Channels to people: mail, short messages, web push, messengers, telephone calls, speakers at home."""

from dongne.adapters.channels.making import NAMES, Secrets, list_channel_faults, make_channels

__all__ = ["NAMES", "Secrets", "list_channel_faults", "make_channels"]
