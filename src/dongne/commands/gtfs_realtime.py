"""`dongne gtfs realtime`: a feed into a running city, through its open interface."""

import argparse
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec

from dongne.adapters.gtfs_city import load_transit
from dongne.adapters.gtfs_realtime import Telling, as_data_arrays
from dongne.adapters.places import get_city_folder
from dongne.commands.places import data_folder
from dongne.commands.server import Server, get_server
from dongne.model.errors import BadInput, Conflict, RetryLater

PAGE, BATCH, SHOWN = 1_000, 1_000, 5
TIMEOUT_S = 30
MOST_BYTES = 64_000_000


def bring(arguments: argparse.Namespace) -> int:
    """Once, or again and again until it is stopped: then what can't be had or read is said, and tried again."""
    server = Server(arguments.url, arguments.token) if arguments.url else get_server(data_folder(arguments))
    transit = load_transit(get_city_folder(arguments.city), arguments.data, data_folder(arguments))
    streams = list_streams(server)
    if not streams:
        raise BadInput(
            f"{server.url} has no stops; start it with `dongne run --city {arguments.city}`, whose sources name a timetable"
        )
    telling = Telling(transit.feed)
    while True:
        try:
            print(_bring_once(arguments.feed, telling, server, streams))
        except (BadInput, Conflict, RetryLater) as error:
            if not arguments.every:
                raise
            print(f"not taken: {error.message}")
        if not arguments.every:
            return 1 if telling.follower.faults else 0
        time.sleep(arguments.every)


def _bring_once(feed: str, telling: Telling, server: Server, streams: dict[tuple[str, str], int]) -> str:
    said = telling.take(fetch(feed))
    newest = telling.follower.newest
    assert newest is not None
    arrays = as_data_arrays(said, streams, newest.time)
    refused = []
    for start in range(0, len(arrays), BATCH):
        body, _ = server.post("/v1.1/CreateObservations", arrays[start : start + BATCH])
        refused += [str(one) for one in msgspec.json.decode(body) if str(one).startswith("error")]
    lines = [
        f"{newest.time:%Y-%m-%dT%H:%M:%SZ}: {len(said) - len(refused)} told, {len(refused)} refused, {len(telling.follower.faults)} entities left out"
    ]
    lines += [f"  {fault.entity}: {fault.message}" for fault in telling.follower.faults[:SHOWN]]
    lines += [f"  {one}" for one in refused[:SHOWN]]
    return "\n".join(lines)


def fetch(feed: str) -> bytes:
    """The bytes of a file or an address. Raises RetryLater where they can't be had now, BadInput where there are none."""
    if not feed.startswith(("http://", "https://")):
        try:
            return Path(feed).read_bytes()
        except OSError as error:
            raise BadInput(f"{feed}: {error.strerror}; give a file of GTFS Realtime, or its address") from error
    try:
        with urllib.request.urlopen(feed, timeout=TIMEOUT_S) as answer:
            body: bytes = answer.read(MOST_BYTES)
            return body
    except (urllib.error.URLError, OSError) as error:
        raise RetryLater(f"{feed} does not answer ({error})") from error


def list_streams(server: Server) -> dict[tuple[str, str], int]:
    """The Datastreams of stops by stop_id and property."""
    found: dict[tuple[str, str], int] = {}
    condition = quote("startswith(properties/source_id,'gtfs_realtime/')")
    path = f"/v1.1/Datastreams?$select=id,properties&$top={PAGE}&$filter={condition}"
    while path:
        page = msgspec.json.decode(server.get(path))
        for stream in page["value"]:
            _, stop_id, key = _parts(str(stream["properties"]["source_id"]))
            found[stop_id, key] = int(stream["@iot.id"])
        further = urlsplit(page.get("@iot.nextLink", ""))
        path = f"{further.path}?{further.query}" if further.path else ""
    return found


def _parts(source_id: str) -> tuple[str, str, str]:
    head, _, rest = source_id.partition("/")
    stop_id, _, key = rest.rpartition("/")
    return head, stop_id, key
