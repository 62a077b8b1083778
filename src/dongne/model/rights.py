"""Whose data a Datastream's are, and what may be done with them.

The words are those of STAplus (OGC 22-022r1): a License and a Party for each Datastream. They are said in its `properties`
(`licence`, `attribution`, `owner`), for what was measured elsewhere in its `origin`; where a Datastream says nothing, what the
city says of its own data holds.
"""

from typing import Any

import msgspec

from dongne.model.city import CityConfig

SPDX = "https://spdx.org/licenses/"


class Rights(msgspec.Struct, frozen=True):
    """`licence` is an SPDX identifier (CC-BY-4.0) or an address; `owner` who publishes; texts are empty where nobody said."""

    licence: str = ""
    attribution: str = ""
    owner: str = ""

    @property
    def licence_address(self) -> str:
        """Where the licence can be read; empty where there is none."""
        return address_of(self.licence)


def address_of(licence: str) -> str:
    """The address of a licence: itself where it is one, else that of its SPDX identifier."""
    return licence if not licence or "://" in licence else f"{SPDX}{licence}"


def rights_of(properties: dict[str, Any], city: CityConfig) -> Rights:
    """The rights in a Datastream whose properties these are."""
    said = properties.get("origin")
    origin = said if isinstance(said, dict) else {}
    own = Rights(city.licence, city.credit, city.publisher_name)
    found = {name: str(origin.get(name) or properties.get(name) or "") for name in Rights.__struct_fields__}
    if origin or found["licence"]:  # another's: the city's own licence says nothing of it
        return Rights(found["licence"], found["attribution"], found["owner"])
    return Rights(own.licence, found["attribution"] or own.attribution, found["owner"] or own.owner)
