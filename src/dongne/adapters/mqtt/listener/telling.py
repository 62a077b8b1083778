"""What one session is told of a record: made once for each of its subscriptions that asks for it."""

import logging
from collections.abc import Iterator, Sequence

import msgspec

from dongne.adapters.mqtt.listener.filters import About
from dongne.adapters.mqtt.listener.session import Outgoing, Session, Subscription
from dongne.adapters.mqtt.views import Views
from dongne.model.access import Sight
from dongne.model.entities import EntityChange, EntityType, Put, id_of
from dongne.model.errors import NotFound
from dongne.model.features import find_feature_of
from dongne.model.records import Correction, ObservationBatch, ObservationExtra, Record, RecordKind, decode_batch
from dongne.model.tasks import TaskEvent
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.options import set_of
from dongne.standards.sensorthings.query import Query, ResourcePath, Row, Step
from dongne.standards.sensorthings.schema import (
    DATASTREAMS,
    FEATURES_OF_INTEREST,
    MULTI_DATASTREAMS,
    OBSERVATIONS,
    SETS,
    TASKS,
    EntitySet,
)

FIRST_WILD = 10_000  # latest values told at once to one who subscribes with wildcards
_BY_TYPE = {found.entity_type: found for found in SETS.values() if found.entity_type}
_correction = msgspec.msgpack.Decoder(Correction)
_changes = msgspec.msgpack.Decoder(list[EntityChange])
_task_event = msgspec.msgpack.Decoder(TaskEvent)

log = logging.getLogger(__name__)

Value = tuple[int, int, int, float, ObservationExtra | None]  # number, Datastream, time, result, extra


class Teller:
    """Puts messages into the queues of sessions; belongs to the listener's thread. `failed`: what could not be told, for a
    fault of ours; it never keeps anything from the other subscriptions."""

    def __init__(self, store: Store, views: Views, root: str) -> None:
        self._store, self._graph, self.views, self._root = store, store.graph, views, root
        self.failed = 0
        self._payloads: dict[tuple[int, Query, Sight], bytes | None] = {}  # of the record at hand

    def forget(self) -> None:
        """The record at hand is done."""
        self._payloads.clear()

    def streams_of(self, session: Session, subscription: Subscription) -> frozenset[int] | None:
        """Whose Observations: none where the path leads nowhere now; None for any."""
        if subscription.revision == self._graph.revision:
            return subscription.streams
        subscription.revision = self._graph.revision
        parent = subscription.parent
        if not parent.steps:
            return None
        found = parent.steps[0].key if len(parent.steps) == 1 else None
        if found is None:  # the way leads over others
            row = self.views.find_at(parent, Query(), session.who.sight)
            found = row.id if row else 0
        is_feature = set_of(parent) is FEATURES_OF_INTEREST
        subscription.feature = found if is_feature else None
        subscription.streams = None if is_feature and found else frozenset({found})
        return subscription.streams

    # --- telling one session

    def tell_record(self, session: Session, record: Record, after: int = 0) -> None:
        """All of a record with numbers beyond `after`, where the session wants it."""
        match record.kind:
            case RecordKind.OBSERVATIONS:
                self._tell_batch(session, record, after)
            case RecordKind.CORRECTION:
                found = _correction.decode(record.body)
                value = (found.number, found.datastream, found.time_us, found.result, found.extra)
                for subscription in session.subscriptions.values():
                    if subscription.of_observations or subscription.asked.about is About.WILD:
                        self.tell_value(session, subscription, value, record.number)
                    elif subscription.entity_set is OBSERVATIONS:
                        self.tell_entity(session, subscription, OBSERVATIONS, found.number, record.number)
            case RecordKind.ENTITIES:
                for change in _changes.decode(record.body):
                    if isinstance(change, Put) and (entity_set := _BY_TYPE.get(change.type)):
                        self._tell_change(session, entity_set, id_of(change), record.number)
            case RecordKind.TASK:
                task = self._task_id(record)
                if task:
                    self._tell_change(session, TASKS, task, record.number)

    def _tell_change(self, session: Session, entity_set: EntitySet, entity_id: int, number: int) -> None:
        for subscription in session.subscriptions.values():
            self.tell_entity(session, subscription, entity_set, entity_id, number)

    def _tell_batch(self, session: Session, record: Record, after: int) -> None:
        batch = decode_batch(record.body, record.count)
        wanted = [
            (subscription, None if subscription.asked.about is About.WILD else self.streams_of(session, subscription))
            for subscription in session.subscriptions.values()
            if subscription.of_observations or subscription.asked.about is About.WILD
        ]
        for row, stream in enumerate(batch.datastream.tolist()):
            if record.number + row <= after:
                continue
            value = None
            for subscription, streams in wanted:
                if streams is not None and stream not in streams:
                    continue
                if session.is_full:
                    session.fall_behind(record.number + row - 1)
                    return
                value = value or value_at(record, batch, row)
                self.tell_value(session, subscription, value)

    def tell_value(self, session: Session, subscription: Subscription, value: Value, number: int = 0) -> None:
        """An Observation; `number` where it is the record of a correction."""
        try:
            self._tell_value(session, subscription, value, number)
        except Exception:  # noqa: BLE001  # logged and counted
            self._note(subscription, value[0])

    def _note(self, subscription: Subscription, number: int) -> None:
        self.failed += 1
        log.exception("%d could not be told to who subscribed to %r", number, subscription.asked.filter[:200])

    def _tell_value(self, session: Session, subscription: Subscription, value: Value, number: int) -> None:
        stream, sight = value[1], session.who.sight
        if stream in self.views.hidden(sight).of(EntityType.DATASTREAM) or self._graph.find_stream(stream) is None:
            return
        streams = subscription.streams
        if streams is not None and stream not in streams:
            return
        asked = subscription.asked
        if asked.about is About.WILD:
            topic = f"{self._root}/{self.set_of_stream(stream).name}({stream})/Observations"
            if not asked.matches(topic):
                return
        else:
            topic = asked.filter
        if subscription.feature and not self._is_about(subscription.feature, value):
            return
        if subscription.no_local and session.link and _is_own(session, value):
            return
        payload = self._payload(value, asked.query, sight)
        if payload is not None:
            session.add(Outgoing(number or value[0], topic, payload, subscription.qos))

    def _payload(self, value: Value, query: Query, sight: Sight) -> bytes | None:
        key = value[0], query, sight
        try:
            return self._payloads[key]
        except KeyError:
            found = self._payloads[key] = self.views.observation(*value, query, sight)
            return found

    def _is_about(self, feature: int, value: Value) -> bool:
        number, stream, _, _, extra = value
        named = None if extra is None else extra.feature_id
        return feature == (find_feature_of(self._graph, stream, number) if named is None else named)

    def tell_entity(
        self, session: Session, subscription: Subscription, entity_set: EntitySet, entity_id: int, number: int, *,
        retain: bool = False,
    ) -> None:  # fmt: skip
        """An entity that changed, where the subscription is about it."""
        try:
            self._tell_entity(session, subscription, entity_set, entity_id, number, retain)
        except Exception:  # noqa: BLE001  # logged and counted
            self._note(subscription, number)

    def _tell_entity(
        self, session: Session, subscription: Subscription, entity_set: EntitySet, entity_id: int, number: int,
        retain: bool,
    ) -> None:  # fmt: skip
        asked = subscription.asked
        if asked.about is About.WILD:
            topic = f"{self._root}/{entity_set.name}({entity_id})"
            row = (
                self.views.find(entity_set, entity_id, asked.query, session.who.sight) if asked.matches(topic) else None
            )
        elif subscription.entity_set is not entity_set or subscription.of_observations:
            return
        elif asked.about is About.SET:
            topic = asked.filter
            last = asked.path.steps[-1]
            path = ResourcePath((*asked.path.steps[:-1], Step(last.name, entity_id)))
            row = self.views.find_at(path, asked.query, session.who.sight)
        else:
            self._tell_one(session, subscription, number, entity_id, retain=False)
            return
        if row is not None:
            payload = self.views.entity(row, entity_set, asked.query, session.who.sight)
            if payload is not None:
                session.add(Outgoing(number, topic, payload, subscription.qos, retain))

    def tell_one(self, session: Session, subscription: Subscription, *, retain: bool = False) -> None:
        """The one entity or property of a subscription, where it is not as the client was told last."""
        try:
            self._tell_one(session, subscription, 0, None, retain=retain)
        except Exception:  # noqa: BLE001  # logged and counted
            self._note(subscription, 0)

    def _tell_one(
        self, session: Session, subscription: Subscription, number: int, entity_id: int | None, *, retain: bool
    ) -> None:
        asked = subscription.asked
        row = self.views.find_at(ResourcePath(asked.path.steps), asked.query, session.who.sight)
        if row is None or (entity_id is not None and row.id != entity_id):
            return
        payload = self._payload_of(subscription, row, session.who.sight)
        if payload is not None and (retain or payload != subscription.sent):
            subscription.sent = payload
            session.add(Outgoing(number, asked.filter, payload, subscription.qos, retain))

    def _payload_of(self, subscription: Subscription, row: Row, sight: Sight) -> bytes | None:
        asked = subscription.asked
        if asked.about is About.PROPERTY:
            try:
                return self.views.property(row, asked.path.property)
            except NotFound:
                return None
        assert subscription.entity_set is not None
        return self.views.entity(row, subscription.entity_set, asked.query, sight)

    def _task_id(self, record: Record) -> int:
        event = _task_event.decode(record.body)
        if event.state == "created":
            return record.number
        tasks = self._store.list_tasks(thing=event.thing, limit=1_000)
        return next((task.id for task in tasks if task.key == event.key), 0)

    # --- subscribing

    def check(self, session: Session, subscription: Subscription) -> None:
        """Raises NotFound where the path leads to nothing that is there, or may be seen."""
        asked, sight = subscription.asked, session.who.sight
        if asked.about is About.ONE:
            self.views.get_at(asked.path, sight)
        elif asked.about is About.PROPERTY:
            self.views.property(self.views.get_at(asked.path, sight), asked.path.property)
        elif asked.about is About.SET and subscription.parent.steps:
            self.views.get_at(subscription.parent, sight)

    def tell_first(self, session: Session, subscription: Subscription, told_to: int) -> Iterator[None]:
        """The last values, as a broker would have retained them; it goes on a value at a time. Observations beyond `told_to` are left out:
        they are told as they come."""
        about = subscription.asked.about
        if about in (About.ONE, About.PROPERTY):
            self.tell_one(session, subscription, retain=True)
        elif subscription.of_observations and (streams := self.streams_of(session, subscription)):
            yield from self._tell_latest(session, subscription, sorted(streams), told_to)
        elif about is About.SET and subscription.entity_set is TASKS:  # those which are still to be done
            for task in sorted(self._store.list_tasks(is_open=True, limit=FIRST_WILD), key=lambda one: one.id):
                self.tell_entity(session, subscription, TASKS, task.id, 0, retain=True)
                yield
        elif about is About.WILD:
            hidden = self.views.hidden(session.who.sight).of(EntityType.DATASTREAM)
            streams_there = [*list(self._graph.datastreams), *list(self._graph.multi_datastreams)]
            yield from self._tell_latest(
                session, subscription, sorted(set(streams_there) - hidden)[:FIRST_WILD], told_to
            )

    def _tell_latest(
        self, session: Session, subscription: Subscription, streams: Sequence[int], told_to: int
    ) -> Iterator[None]:
        for stream in streams:
            yield
            if session.subscriptions.get(subscription.asked.filter) is not subscription:
                return  # taken back meanwhile
            asked = subscription.asked
            topic = asked.filter
            if asked.about is About.WILD:
                topic = f"{self._root}/{self.set_of_stream(stream).name}({stream})/Observations"
                if not asked.matches(topic):
                    continue
            row = self._latest_row(stream, asked.query, session.who.sight)
            if row is None or row.id > told_to:
                continue
            if payload := self.views.entity(row, OBSERVATIONS, asked.query, session.who.sight):
                session.add(Outgoing(0, topic, payload, subscription.qos, retain=True))

    def _latest_row(self, stream: int, query: Query, sight: Sight) -> Row | None:
        latest = self._store.latest(stream)
        if latest is None:
            return None
        if stream in self._graph.multi_datastreams or query.filter is not None:
            return self.views.find(OBSERVATIONS, latest.number, query, sight)
        return self.views.find_latest(stream, query, sight)

    def set_of_stream(self, stream: int) -> EntitySet:
        return MULTI_DATASTREAMS if stream in self._graph.multi_datastreams else DATASTREAMS


def value_at(record: Record, batch: ObservationBatch, row: int) -> Value:
    """The Observation in a row of a record."""
    return (
        record.number + row, int(batch.datastream[row]), int(batch.time_us[row]), float(batch.result[row]),
        batch.extras.get(row),
    )  # fmt: skip


def _is_own(session: Session, value: Value) -> bool:
    _, stream, time_us, result, _ = value
    for parcel in (session.link and session.link.own) or ():
        row = parcel.row
        if row is not None and row.datastream == stream and row.time_us == time_us:
            return row.result == result or result != result  # noqa: PLR0124  # NaN: no number
        for part in parcel.parts.values():
            if bool(((part.datastream == stream) & (part.time_us == time_us)).any()):
                return True
    return False
