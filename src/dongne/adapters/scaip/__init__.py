"""Gateways speak SCAIP to Dongne itself, over UDP and TCP: what they say goes in by the gateways' door (docs/scaip.md)."""

from dongne.adapters.scaip.config import Door, ScaipConfig, bind, parse_listen
from dongne.adapters.scaip.server import ScaipServer
from dongne.adapters.scaip.status import ScaipStatus
from dongne.standards.scaip.sip import DEFAULT_PORT

__all__ = ["DEFAULT_PORT", "Door", "ScaipConfig", "ScaipServer", "ScaipStatus", "bind", "parse_listen"]
