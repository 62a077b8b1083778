"""Where gateways of homes are heard, whatever way their messages come."""

from dongne.adapters.gateways.desk import GatewayDesk

__all__ = ["GatewayDesk"]
