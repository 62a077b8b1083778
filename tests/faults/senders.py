"""Senders that count what they sent and what they were told, over HTTP and MQTT."""

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

SERVING = Path(__file__).with_name("serving.py")
Key = tuple[int, int]  # Datastream, second
AGAIN_S = 0.03  # sooner than asked for: the more is turned away
BATCH_PARTS = 5


class City:
    """`serving.py` in a folder; may be killed and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._command = [sys.executable, str(SERVING), str(folder), *options]
        self.start()

    def start(self) -> None:
        """Returns when it listens."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.strip().isdigit(), f"it did not start: {said!r}"
        self.url = f"http://127.0.0.1:{said.strip()}"

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self._gone()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self._gone()

    def _gone(self) -> int:
        code = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.url}/status", headers={"accept": "application/json"}).json()
        return found


class Ledger:
    """What the senders of one way counted: Observations, by what they were told."""

    def __init__(self) -> None:
        self.sent = 0
        self.told: Counter[str] = Counter()  # by status code or error
        self.acknowledged: set[Key] = set()
        self.without_retry_after = 0
        self.unanswered: set[Key] = set()

    def count(self, keys: Iterable[Key], code: int, headers: Any) -> bool:
        """Whether that is the end of it."""
        keys = list(keys)
        self.told[str(code)] += len(keys)
        if code in (200, 201):
            self.acknowledged.update(keys)
            return True
        assert code in (429, 503), f"{code} for {keys}"
        self.without_retry_after += "retry-after" not in headers
        return False


def body_of(key: Key) -> dict[str, Any]:
    stream, second = key
    return {"phenomenonTime": time_of(second), "result": second, "Datastream": {"@iot.id": stream}}


def time_of(second: int) -> str:
    return f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


class HttpSenders:
    """Many at once, each with a Datastream of its own, one after the other until each is stored. Where the city is away
    they try again; `url` may change."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.single, self.array, self.batch = Ledger(), Ledger(), Ledger()

    async def run(self, singles: range, arrays: range, batches: range, count: int, array_rows: int = 20) -> None:
        """Each sends seconds 0 to `count`."""
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(limits=limits, timeout=20) as client:
            await asyncio.gather(
                *(self._singles(client, stream, count) for stream in singles),
                *(self._arrays(client, stream, count, array_rows) for stream in arrays),
                *(self._batches(client, stream, count) for stream in batches),
            )

    async def _post(
        self, client: httpx.AsyncClient, path: str, document: Any, told: Ledger, keys: Collection[Key]
    ) -> Any:
        while True:
            told.sent += len(keys)
            try:
                return await client.post(f"{self.city.url}/v1.1/{path}", json=document)
            except httpx.TransportError as error:
                told.told[type(error).__name__] += len(keys)
                told.unanswered.update(keys)
                await asyncio.sleep(AGAIN_S)

    async def _singles(self, client: httpx.AsyncClient, stream: int, count: int) -> None:
        for second in range(count):
            key = stream, second
            while True:
                answer = await self._post(client, "Observations", body_of(key), self.single, [key])
                if self.single.count([key], answer.status_code, answer.headers):
                    break
                await asyncio.sleep(AGAIN_S)

    async def _arrays(self, client: httpx.AsyncClient, stream: int, count: int, rows: int) -> None:
        for start in range(0, count, rows):
            keys = [(stream, second) for second in range(start, min(count, start + rows))]
            group = {
                "Datastream": {"@iot.id": stream},
                "components": ["phenomenonTime", "result"],
                "dataArray": [[time_of(second), second] for _, second in keys],
            }
            while True:
                answer = await self._post(client, "CreateObservations", [group], self.array, keys)
                if self.array.count(keys, answer.status_code, answer.headers):
                    assert not [link for link in answer.json() if link.startswith("error")], answer.text
                    break
                await asyncio.sleep(AGAIN_S)

    async def _batches(self, client: httpx.AsyncClient, stream: int, count: int) -> None:
        for start in range(0, count, BATCH_PARTS):
            keys = [(stream, second) for second in range(start, min(count, start + BATCH_PARTS))]
            parts = [
                {"id": str(i), "method": "post", "url": "Observations", "body": body_of(key), "atomicityGroup": "g"}
                for i, key in enumerate(keys)
            ]
            while True:  # all of the group or none
                answer = await self._post(client, "$batch", {"requests": parts}, self.batch, keys)
                assert answer.status_code == 200, answer.text
                worst = min(answer.json()["responses"], key=lambda part: part["status"] in (201, 424))
                if self.batch.count(keys, worst["status"], worst.get("headers", {})):
                    break
                await asyncio.sleep(AGAIN_S)


class MqttSender:
    """A paho client that publishes with QoS 1 and notes what the broker took."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.max_queued_messages_set(0)
        ready = threading.Event()
        self._client.on_connect = lambda *_: ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert ready.wait(10)

    def publish(self, streams: range, count: int) -> None:
        """Returns when the broker has all."""
        out = []
        for second in range(count):
            for stream in streams:
                body = json.dumps({"phenomenonTime": time_of(second), "result": second})
                out.append(self._client.publish(f"v1.1/Datastreams({stream})/Observations", body, 1))
                self.sent += 1
        for message in out:
            message.wait_for_publish(30)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
