"""Who is told of what: each record of a commit goes to the sessions that asked for it."""

from collections.abc import Iterator

from dongne.adapters.mqtt.listener.filters import About, match_levels
from dongne.adapters.mqtt.listener.session import Outgoing, Session, Subscription
from dongne.adapters.mqtt.listener.telling import Teller, value_at
from dongne.adapters.mqtt.views import Views
from dongne.model.errors import NotFound
from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch
from dongne.model.who import Who
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.schema import (
    DATASTREAMS,
    MULTI_DATASTREAMS,
    Kind,
)

READ_RECORDS = 100
_STREAMS = (DATASTREAMS, MULTI_DATASTREAMS)
_KINDS = (RecordKind.OBSERVATIONS, RecordKind.ENTITIES, RecordKind.TASK, RecordKind.CORRECTION)

Watcher = tuple[Session, Subscription]


class Hub:
    """Belongs to the listener's thread. `position`: the last number that was handled for sessions which are not behind."""

    def __init__(self, store: Store, views: Views, root: str) -> None:
        self._store, self._graph = store, store.graph
        self.teller = Teller(store, views, root)
        self.position = store.head()
        self.sessions: set[Session] = set()  # with a connection
        self._stale = True
        self._by_stream: dict[int, list[Watcher]] = {}
        self._wide: list[Watcher] = []  # of any Observations
        self._of_entities: list[Watcher] = []
        self._of_streams: list[Watcher] = []  # those of them that show what Observations change of a Datastream
        self._dirty: set[int] = set()

    def changed(self) -> None:
        """Sessions came or went, or their subscriptions changed."""
        self._stale = True

    # --- what is live

    def hear(self, record: Record) -> None:
        """A record of a commit, in order."""
        self._index()
        match record.kind:
            case RecordKind.OBSERVATIONS:
                if self._by_stream or self._wide or self._of_streams:
                    self._hear_batch(record, decode_batch(record.body, record.count))
            case RecordKind.ENTITIES | RecordKind.TASK | RecordKind.CORRECTION:
                watchers = self._of_entities
                if record.kind is RecordKind.CORRECTION:
                    watchers = [*watchers, *self._wide, *_all(self._by_stream)]
                for session in {session for session, _ in watchers if not session.behind}:
                    if session.is_full:
                        session.fall_behind(record.number - 1)
                    else:
                        self.teller.tell_record(session, record)
                self._stale = self._stale or record.kind is RecordKind.ENTITIES  # paths may lead elsewhere now
        self.position = record.last
        self.teller.forget()

    def _hear_batch(self, record: Record, batch: ObservationBatch) -> None:
        streams = batch.datastream.tolist()
        if self._of_streams:
            self._dirty.update(streams)
        if not self._wide and self._by_stream.keys().isdisjoint(streams):
            return
        for row, stream in enumerate(streams):
            watchers = self._by_stream.get(stream, ())
            if not watchers and not self._wide:
                continue
            value = value_at(record, batch, row)
            for session, subscription in (*watchers, *self._wide):
                if session.behind:
                    continue
                if session.is_full:
                    session.fall_behind(value[0] - 1)
                else:
                    self.teller.tell_value(session, subscription, value)

    @property
    def has_dirty(self) -> bool:
        """Whether Datastreams changed by their Observations, and somebody wants to know."""
        return bool(self._dirty)

    def flush(self) -> None:
        """Tells how Datastreams are since their last Observations: once, however many came."""
        self._index()
        dirty, self._dirty = self._dirty, set()
        for session, subscription in self._of_streams:
            if session.behind or session.is_full:
                continue  # told when it has caught up
            if subscription.asked.about is About.SET:
                for stream in sorted(dirty):
                    self.teller.tell_entity(session, subscription, self.teller.set_of_stream(stream), stream, 0)
            elif subscription.asked.path.steps[-1].key in (None, *dirty):
                self.teller.tell_one(session, subscription)

    def answer(self, who: Who, topic: str, body: bytes, qos: int, correlation: bytes | None) -> tuple[int, int]:
        """Tells it those who listen for it and are the same as who published: to how many, and how many have a full
        queue, for it is in no sequence."""
        levels = topic.split("/")
        told = dropped = 0
        for session in self.sessions:
            if session.who != who:
                continue
            for subscription in session.subscriptions.values():
                asked = subscription.asked
                is_wild = asked.about is About.WILD and match_levels(asked.levels, levels)
                if is_wild or (asked.about is About.ANSWERS and asked.filter == topic):
                    if session.is_full:
                        dropped += 1
                    else:
                        told += 1
                        least = min(qos, subscription.qos)
                        session.add(Outgoing(0, topic, body, least, correlation=correlation))
                        session.pump()
                    break
        return told, dropped

    # --- the sessions by what they want

    def _index(self) -> None:
        if not self._stale:
            return
        self._stale = False
        self._by_stream, self._wide, self._of_entities, self._of_streams = {}, [], [], []
        for session in self.sessions:
            for subscription in session.subscriptions.values():
                self._place(session, subscription)

    def _place(self, session: Session, subscription: Subscription) -> None:
        watcher = session, subscription
        if subscription.of_observations:
            streams = self.teller.streams_of(session, subscription)
            for stream in streams or ():
                self._by_stream.setdefault(stream, []).append(watcher)
            if streams is None:
                self._wide.append(watcher)
        elif subscription.asked.about is About.WILD:
            self._wide.append(watcher)
            self._of_entities.append(watcher)
        elif subscription.asked.about in (About.SET, About.ONE, About.PROPERTY):
            self._of_entities.append(watcher)
            if subscription.entity_set in _STREAMS and _shows_computed(subscription):
                self._of_streams.append(watcher)

    # --- coming back

    def catch_up(self, session: Session) -> bool:
        """Reads on for a session that is behind, as far as its queue has room; whether it is with the others again. What it
        raises leaves the session behind, where it stood."""
        try:
            return self._read_on(session)
        except BaseException:
            session.behind = True
            raise

    def _read_on(self, session: Session) -> bool:
        session.behind = False
        for record in self._records_after(session.position):
            self.teller.tell_record(session, record, session.position)
            self.teller.forget()
            if session.behind:  # the queue is full; where it stands was noted
                return False
            session.position = max(session.position, record.last)
            if session.is_full:
                break
        else:
            session.position = max(session.position, self._read_to)
        session.behind = session.position < self.position
        if not session.behind:
            for subscription in session.subscriptions.values():
                if subscription.asked.about in (About.ONE, About.PROPERTY) and subscription.sent is not None:
                    self.teller.tell_one(session, subscription)
        return not session.behind

    def _records_after(self, number: int) -> Iterator[Record]:
        """Up to READ_RECORDS of them, not beyond what the others were told."""
        self._read_to = number
        try:
            record, row = self._store.get_observation(number + 1)
            if row:
                yield record  # the number lies inside this batch
                number = record.last
        except NotFound:
            pass
        records = self._store.read(number, self.position, READ_RECORDS, _KINDS)
        yield from records
        self._read_to = records[-1].last if len(records) == READ_RECORDS else self.position


def _all(watchers: dict[int, list[Watcher]]) -> Iterator[Watcher]:
    for some in watchers.values():
        yield from some


def _shows_computed(subscription: Subscription) -> bool:
    asked = subscription.asked
    assert subscription.entity_set is not None
    computed = {name for name, info in subscription.entity_set.properties.items() if info.kind is Kind.COMPUTED}
    if asked.about is About.PROPERTY:
        return asked.path.property[0] in computed
    return not asked.query.select or bool(asked.query.expand) or not computed.isdisjoint(asked.query.select)
