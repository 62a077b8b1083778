"""The channels to people of a running city, and the secret of the links by which they answer."""

import logging
import os
import secrets
from pathlib import Path

from dongne.adapters.channels import Secrets, make_channels
from dongne.lab.simulators import Simulators
from dongne.model.channels import ChannelsConfig
from dongne.model.errors import BadSetup
from dongne.runtime.channels import Channel
from dongne.standards.signed_tokens import LEAST_SECRET_BYTES

log = logging.getLogger("dongne")
PORT = 8090  # of simulators: addresses of simulated browsers that are stored hold at the next start too
SECRET_FILE = "answer-links.key"


class CityChannels:
    """The channels of a configuration by name; of simulators that run here where it says `simulated`. Whoever sends closes
    each of them in the event loop that sent; `close` ends the simulators."""

    def __init__(self, config: ChannelsConfig, folder: Path) -> None:
        """Raises BadSetup naming the key of city.toml that is wrong."""
        self.simulators: Simulators | None = None
        if config.simulated:
            self.simulators = simulators = _start_simulators()
            known = Secrets(folder, simulators.environment)
            config = simulators.config
        else:
            known = Secrets(folder)
        self._config, self.secrets = config, known
        self.by_name: dict[str, Channel] = make_channels(config, known)

    def make_more(self) -> dict[str, Channel]:
        """The same channels once more, for another event loop."""
        return make_channels(self._config, self.secrets)

    def close(self) -> None:
        """Ends the simulators."""
        if self.simulators is not None:
            self.simulators.close()


def _start_simulators() -> Simulators:
    try:
        simulators = Simulators(port=PORT)
    except BadSetup as error:
        simulators = Simulators()
        log.warning("%s; simulated channels are at %s for now", error.message, simulators.url)
    simulators.start()
    return simulators


def get_answer_secret(folder: Path) -> bytes:
    """The secret that answer links of this city are made with; drawn at the first start, readable by its owner alone."""
    file = folder / SECRET_FILE
    if file.exists():
        found = file.read_bytes()
        if len(found) < LEAST_SECRET_BYTES:
            raise BadSetup(f"{file} is cut off; delete it, and links that were sent before are no longer taken")
        return found
    made = secrets.token_bytes(LEAST_SECRET_BYTES)
    partial = file.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
        written.write(made)
        written.flush()
        os.fsync(written.fileno())
    partial.replace(file)  # whole or not at all
    return made
