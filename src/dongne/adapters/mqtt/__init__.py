"""MQTT in, and commands out: Observations that devices publish are stored, and acknowledged once they are durable."""

from dongne.adapters.mqtt.adapter import MqttAdapter
from dongne.adapters.mqtt.config import MqttConfig, parse_address
from dongne.adapters.mqtt.status import Check, MqttStatus

__all__ = ["Check", "MqttAdapter", "MqttConfig", "MqttStatus", "parse_address"]
