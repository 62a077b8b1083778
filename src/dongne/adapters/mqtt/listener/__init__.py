"""MQTT clients connect to Dongne itself: what they publish is stored, and they hear what changes."""

from dongne.adapters.mqtt.listener.config import DEFAULT_PORT, ListenConfig, bind, parse_listen
from dongne.adapters.mqtt.listener.server import MqttListener
from dongne.adapters.mqtt.listener.status import ListenStatus

__all__ = ["DEFAULT_PORT", "ListenConfig", "ListenStatus", "MqttListener", "bind", "parse_listen"]
