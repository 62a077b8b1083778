"""The outbox: what must reach somebody is brought to them, until a provider took it or everything was tried."""

from dongne.adapters.outbox.means import Means
from dongne.adapters.outbox.outbox import Outbox

__all__ = ["Means", "Outbox"]
