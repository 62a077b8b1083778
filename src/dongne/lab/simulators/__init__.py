"""What a city sends to and can't have on a bench: simulated channels to people, each told how to behave."""

from dongne.lab.simulators.behaviour import Behaviour, Desk, Received
from dongne.lab.simulators.running import Simulators

__all__ = ["Behaviour", "Desk", "Received", "Simulators"]
