"""What the catalogue lists: a data set for each observed property by origin and licence, and the places by their source."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from dongne.adapters.sources import Source
from dongne.model.entities import Datastream
from dongne.model.rights import Rights, address_of, rights_of
from dongne.runtime.manifest import list_manifests
from dongne.standards.dcat.catalog import (
    Box,
    Catalog,
    DataService,
    Dataset,
    Distribution,
    Licence,
    Measurement,
    Metric,
    Said,
)
from dongne.standards.sensorthings.times import format_us, parse_instant_us
from dongne.web.catalog.changes import Change, SchemaHistory
from dongne.web.catalog.measured import Measured, measure
from dongne.web.context import WebContext
from dongne.web.names import Names
from dongne.web.ogc.collections import DATASTREAMS, LOCATIONS, Collections, Item, box_of
from dongne.web.readings import Origin, origin_of, say_origin
from dongne.web.texts import Words

# EU data themes: http://publications.europa.eu/resource/authority/data-theme
THEMES = {
    "pedestrians": "TRAN", "presence": "TRAN", "parking_occupancy": "TRAN", "light_level": "ENER", "fill_level": "ENVI",
    "illuminance": "ENVI", "precipitation": "ENVI", "temperature": "ENVI",
}  # fmt: skip
AREA_THEMES = {"lighting": "ENER", "waste": "ENVI", "mobility": "TRAN", "public space": "TRAN"}
ELSE_THEME = "REGI"
ORDER = ("measured", "rehomed", "simulated", "derived")
_AREAS = {key: manifest.area for manifest in list_manifests() for key in manifest.properties}
_NO_SLUG = re.compile(r"[^A-Za-z0-9._~-]+")
FORMS = {
    "csv": ("CSV", "text/csv"),
    "parquet": ("PARQUET", "application/vnd.apache.parquet"),
    "geojson": ("GEOJSON", "application/geo+json"),
}
SENSORTHINGS = "https://docs.ogc.org/is/18-088/18-088.html"
FEATURES = "https://docs.ogc.org/is/17-069r4/17-069r4.html"


@dataclass(frozen=True)
class Entry:
    """A data set as the page shows it. Of places `streams` and `changes` are empty, and nothing is measured."""

    dataset: Dataset
    origins: tuple[Origin, ...]
    rights: Rights
    streams: int
    things: int
    measured: Measured
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Contents:
    """The catalogue for machines, and its data sets as the page shows them."""

    catalog: Catalog
    entries: tuple[Entry, ...]


class Librarian:
    """Draws the catalogue up."""

    def __init__(self, context: WebContext, collections: Collections) -> None:
        self._context, self._collections = context, collections
        self._store, self._graph = context.store, context.store.graph
        self._schemas = SchemaHistory(context.store)

    def draw_up(self, base: str) -> Contents:
        """As of now; `base` is how the outside reaches this server."""
        self._schemas.catch_up()
        now_us = self._store.clock.now_us()
        streams = self._collections.get(DATASTREAMS)
        groups: dict[str, list[Item]] = defaultdict(list)
        for item in streams.items:
            if (stream := self._graph.datastreams.get(item.id)) is not None:
                groups[self._id_of(stream)].append(item)
        found = [self._entry(base, name, items, now_us) for name, items in sorted(groups.items())]
        there = sorted(
            (entry for entry in found if entry is not None), key=lambda entry: ORDER.index(entry.origins[0].kind)
        )
        entries = [*self._places(base, now_us), *there]
        return Contents(self._catalog(base, [entry.dataset for entry in entries], now_us), tuple(entries))

    # --- Datastreams

    def _id_of(self, stream: Datastream) -> str:
        parts = [self._graph.property_key(stream), origin_of(stream).kind]
        rights = rights_of(stream.properties, self._context.config)
        if rights.licence != self._context.config.licence:
            parts.append(rights.licence or "no-licence")
        return "-".join(_NO_SLUG.sub("_", part) for part in parts)

    def _entry(self, base: str, name: str, items: list[Item], now_us: int) -> Entry | None:
        streams = [one for item in items if (one := self._graph.datastreams.get(item.id)) is not None]
        if not streams:
            return None
        key, kind = self._graph.property_key(streams[0]), origin_of(streams[0]).kind
        origins = tuple(dict.fromkeys(Origin(o.kind, o.where, "", o.service) for o in map(origin_of, streams)))
        rights = [rights_of(one.properties, self._context.config) for one in streams]
        whole = Rights(rights[0].licence, _together(r.attribution for r in rights), _together(r.owner for r in rights))
        begins = {item.id: parse_instant_us(item.span[0]) for item in items if item.span}
        ends = [item.span[1] for item in items if item.span]
        measured = measure(self._context, streams, begins, now_us)
        changes = tuple(
            sorted((c for one in streams for c in self._schemas.list_changes(one.id)), key=lambda c: c.at_us)
        )
        changed_us = {change.at_us for change in changes}
        home = f"{base}/catalog"
        options = {"property": key, "origin": kind, "licence": whole.licence}
        dataset = Dataset(
            address=f"{home}#{name}",
            id=name,
            title=self._say(lambda w: w.say("catalog.dataset", property=_property(w, self._names(w), key), origin=_origins(w, self._names(w), origins))),
            description=self._say(lambda w: self._describe(w, key, origins, streams)),
            keywords=tuple(self._keywords(key, streams)),
            theme=theme_of(key),
            provenance=self._say(lambda w: _origins(w, self._names(w), origins)),
            licence=Licence(whole.licence_address, whole.licence) if whole.licence else None,
            attribution=whole.attribution,
            box=_box(items),
            period=(format_us(min(begins.values())), max(ends)) if begins else None,
            promised_s=measured.promised_s,
            issued=_format(min(self._schemas.since_us(one.id) for one in streams)),
            modified=_format(max([measured.newest_us, *changed_us])),
            version=str(1 + len(changed_us)),
            notes=tuple(self._note(change) for change in changes),
            standard=SENSORTHINGS,
            standard_name="OGC SensorThings API 1.1 (18-088)",
            distributions=self._distributions(base, name, key, {n: v for n, v in options.items() if v}),
            measurements=tuple(_measurements(home, measured, now_us)),
        )  # fmt: skip
        things = len({one.thing_id for one in streams})
        return Entry(dataset, origins, whole, len(streams), things, measured, changes)

    def _describe(self, words: Words, key: str, origins: Sequence[Origin], streams: Sequence[Datastream]) -> str:
        names = self._names(words)
        unit = names.unit(str(self._unit(streams[0])))
        said = {
            "property": _property(words, names, key),
            "unit": unit or "-",
            "origin": _origins(words, names, origins),
        }
        return words.count("catalog.about", len({one.thing_id for one in streams}), **said)

    @staticmethod
    def _unit(stream: Datastream) -> str:
        unit = stream.unit_of_measurement
        return unit.symbol or unit.name or ""

    def _keywords(self, key: str, streams: Sequence[Datastream]) -> Iterable[Said]:
        yield self._say(lambda w: _property(w, self._names(w), key))
        kinds = {thing.kind for one in streams if (thing := self._graph.things.get(one.thing_id)) and thing.kind}
        for kind in sorted(kinds):
            yield self._say(partial(self._kind, kind))

    def _note(self, change: Change) -> Said:
        """ "2026-11-20: unit of Datastream 7: % before, 1 from then on"."""
        day = format_us(change.at_us)
        said = {"stream": change.stream, "before": change.before or "-", "after": change.after or "-"}
        return self._text(f"catalog.changed.{change.what}", when=day, **said)

    def _distributions(self, base: str, name: str, key: str, options: dict[str, str]) -> tuple[Distribution, ...]:
        home = f"{base}/catalog"
        found = []
        for form, (file_type, media_type) in FORMS.items():
            what = "latest" if form == "geojson" else "observations"
            address = f"{base}/api/{what}?{urlencode({**options, 'format': form})}"
            found.append(
                Distribution(
                    address=f"{home}#{name}-{form}", title=self._text(f"catalog.form.{form}"),
                    description=self._text(f"catalog.about.{form}"), access=f"{home}#{name}",
                    download=address, file_type=file_type, media_type=media_type, service=f"{home}#values",
                )
            )  # fmt: skip
        condition = quote(f"ObservedProperty/name eq '{key.replace(chr(39), chr(39) * 2)}'")
        found.append(
            Distribution(
                address=f"{home}#{name}-sensorthings", title=self._text("catalog.form.sensorthings"),
                description=self._text("catalog.about.sensorthings"),
                access=f"{base}/v1.1/Datastreams?$filter={condition}", file_type="JSON", media_type="application/json",
                service=f"{home}#sensorthings",
            )
        )  # fmt: skip
        return tuple(found)

    # --- places

    def _places(self, base: str, now_us: int) -> Iterable[Entry]:
        """Things by the source that their lasting names begin with; those without one are the city's own."""
        by_source: dict[str, list[Item]] = defaultdict(list)
        for collection in self._collections.list_all().values():
            if collection.id not in (DATASTREAMS, LOCATIONS):
                for item in collection.items:
                    by_source[str(item.own.get("source_id", "")).partition(":")[0]].append(item)
        known = {source.id: source for source in self._context.sources}
        own = [item for name, items in by_source.items() if name not in known for item in items]
        for name, source in known.items():
            if by_source.get(name):
                yield self._place_entry(base, f"places-{name}", by_source[name], source, now_us)
        if own:
            yield self._place_entry(base, "places", own, None, now_us)

    def _place_entry(self, base: str, name: str, items: list[Item], source: Source | None, now_us: int) -> Entry:
        home = f"{base}/catalog"
        city = self._context.config
        rights = (
            Rights(source.licence, source.attribution)
            if source
            else Rights(city.licence, city.credit, city.publisher_name)
        )
        provenance = {"en": source.origin} if source else self._text("catalog.own")
        kinds = sorted({str(item.own.get("kind", "")) for item in items} - {""})
        dataset = Dataset(
            address=f"{home}#{name}", id=name,
            title=self._text("catalog.places"),
            description=self._say(lambda w: w.count("catalog.about_places", len(items), city=self._city(w))),
            keywords=tuple(self._say(partial(self._kind, kind)) for kind in kinds),
            theme=ELSE_THEME, provenance=provenance,
            licence=Licence(address_of(rights.licence), rights.licence) if rights.licence else None,
            attribution=rights.attribution, box=_box(items),
            period=(_format(self._schemas.began_us), format_us(now_us)) if self._schemas.began_us else None, promised_s=None,
            issued=_format(self._schemas.began_us), modified=_format(self._schemas.began_us),
            standard=FEATURES, standard_name="OGC API - Features - Part 1 (17-069r4)",
            distributions=(
                Distribution(
                    address=f"{home}#{name}-features", title=self._text("catalog.form.features"),
                    description=self._text("catalog.about.features"), access=f"{base}/ogc/collections",
                    file_type="GEOJSON", media_type="application/geo+json", service=f"{home}#features",
                ),
            ),
        )  # fmt: skip
        return Entry(dataset, (), rights, 0, len(items), Measured(), ())

    # --- the whole

    def _catalog(self, base: str, datasets: list[Dataset], now_us: int) -> Catalog:
        city, home = self._context.config, f"{base}/catalog"
        title = self._text("catalog.of")
        return Catalog(
            address=f"{home}#catalog", home=home, title=title,
            description=self._text("catalog.intro"), publisher=city.publisher_name,
            contact=city.contact or f"{base}/data",
            licence=Licence(address_of(city.licence), city.licence) if city.licence else None,
            languages=self._context.texts.languages, box=city.bounds,
            issued=_format(self._schemas.began_us or now_us), modified=format_us(now_us), datasets=tuple(datasets),
            services=self._services(base), metrics=tuple(self._metrics(home)),
        )  # fmt: skip

    def _services(self, base: str) -> tuple[DataService, ...]:
        home = f"{base}/catalog"
        table = (
            ("sensorthings", "/v1.1", "/openapi.json", SENSORTHINGS, "OGC SensorThings API 1.1 (18-088)"),
            ("features", "/ogc", "/ogc/api", FEATURES, "OGC API - Features - Part 1 (17-069r4)"),
            (
                "values",
                "/api/observations",
                "/openapi.json",
                "https://www.rfc-editor.org/rfc/rfc4180",
                "CSV (RFC 4180)",
            ),
        )
        return tuple(
            DataService(
                address=f"{home}#{name}", title=self._text(f"catalog.service.{name}"),
                endpoint=base + path, description=base + described, standard=standard, standard_name=standard_name,
            )
            for name, path, described, standard, standard_name in table
        )  # fmt: skip

    def _metrics(self, home: str) -> Iterable[Metric]:
        for name, (dimension, datatype) in METRICS.items():
            definition = self._text(f"catalog.metric.{name}")
            yield Metric(f"{home}#{name}", f"{home}#{dimension}", datatype, definition)

    # --- words

    def _say(self, said: Callable[[Words], str]) -> Said:
        texts = self._context.texts
        return {language: said(texts.words(language)) for language in texts.languages}

    def _text(self, key: str, **values: Any) -> Said:
        return self._say(lambda words: words.say(key, city=self._city(words), **values))

    def _kind(self, kind: str, words: Words) -> str:
        return self._names(words).kind(kind)

    def _names(self, words: Words) -> Names:
        return Names(self._graph, words)

    def _city(self, words: Words) -> str:
        names = self._context.config.name
        return names.get(words.language) or next(iter(names.values()), self._context.config.id)


METRICS = {
    "freshness": ("timeliness", "xsd:double"),
    "in-time": ("timeliness", "xsd:double"),
    "complete-day": ("completeness", "xsd:double"),
    "complete-week": ("completeness", "xsd:double"),
}


def _measurements(home: str, measured: Measured, now_us: int) -> Iterable[Measurement]:
    values = {
        "freshness": (now_us - measured.newest_us) / 1e6 if measured.newest_us else None,
        "in-time": measured.in_time / measured.promising if measured.promising else None,
        "complete-day": measured.day,
        "complete-week": measured.week,
    }
    for name, value in values.items():
        if value is not None:
            yield Measurement(
                f"{home}#{name}",
                f"{max(value, 0.0):.4g}" if value < 1e4 else f"{value:.0f}",
                METRICS[name][1],
                format_us(now_us),
            )


def theme_of(key: str) -> str:
    """The EU's data theme of an observed property: its own, else that of the service which defines it."""
    return THEMES.get(key) or AREA_THEMES.get(_AREAS.get(key, ""), ELSE_THEME)


def _box(items: Iterable[Item]) -> Box | None:
    found = box_of(items)
    return None if found is None else (found[0], found[1], found[2], found[3])


def _property(words: Words, names: Names, key: str) -> str:
    return names.property(key) if key else words.say("thing.unknown")


def _origins(words: Words, names: Names, origins: Iterable[Origin]) -> str:
    return _together(say_origin(one, words, names.service(one.service)) for one in origins)


def _together(parts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(part for part in parts if part))


def _format(us: int) -> str:
    return format_us(us) if us else ""
