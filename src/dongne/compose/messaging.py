"""MQTT of a running city: where its own listener is, and how that and the broker beside it are doing."""

import logging
import socket
from typing import Any

from dongne.adapters.mqtt import MqttAdapter
from dongne.adapters.mqtt.listener import DEFAULT_PORT, ListenConfig, MqttListener, bind, parse_listen
from dongne.compose.guard import Guard
from dongne.compose.opened import RunOptions
from dongne.compose.running import RunningCity
from dongne.model.errors import BadSetup
from dongne.stores.embedded.select import Selector

log = logging.getLogger("dongne")


def listen_config(options: RunOptions) -> ListenConfig | None:
    """Where MQTT clients may connect, as the options say; None where nowhere. Raises BadSetup."""
    if options.mqtt_listen == "off":
        return None
    is_auto = options.mqtt_listen == "auto"
    host, port = ("127.0.0.1", DEFAULT_PORT) if is_auto else parse_listen(options.mqtt_listen)
    return ListenConfig(host=host, port=port)


def bind_listener(options: RunOptions) -> socket.socket | None:
    """A socket there, so that nothing is prepared in vain; None also where nobody chose the port and it is taken.
    Raises BadSetup where the address that was chosen can't be had."""
    config = listen_config(options)
    if config is None:
        return None
    try:
        return bind(config)
    except BadSetup as error:
        if options.mqtt_listen != "auto":
            raise
        log.warning("%s", error.message)
        return None


def make_listener(city: RunningCity, sock: socket.socket, selector: Selector, guard: Guard, url: str) -> MqttListener:
    """The listener at this socket."""
    host, port = sock.getsockname()[:2]
    config = ListenConfig(
        host=host, port=port, service_root=f"{url}/v1.1", file=city.options.folder / "mqtt-sessions.json"
    )
    listener = MqttListener(
        city.store,
        city.intake,
        selector.select,
        guard.mqtt_who_of(host),
        config,
        sock,
        city.desk,
        city.write_down,
    )
    listener.note = guard.note_subscribed
    if city.homes is not None:
        listener.hear_homes(city.homes.gateways)
    return listener


def mqtt_status(broker: MqttAdapter | None, listener: MqttListener | None) -> dict[str, Any]:
    """How MQTT is doing, by way; empty where there is none."""
    ways = (("broker", broker), ("listener", listener))
    return {name: way.status() for name, way in ways if way is not None}


def mqtt_endpoints(broker: MqttAdapter | None, listener: MqttListener | None) -> tuple[str, ...]:
    """Where MQTT clients connect, as the service's root lists them."""
    found = [] if listener is None else [f"mqtt://{listener.config.address}"]
    return (*found, *([] if broker is None else [broker.config.broker]))


def address_of(mqtt: MqttAdapter | None) -> str:
    """host:port of the broker; empty where there is none."""
    return f"{mqtt.config.host}:{mqtt.config.port}" if mqtt else ""
