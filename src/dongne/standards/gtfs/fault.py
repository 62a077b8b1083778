"""What can be wrong with a feed, by the rules of the GTFS Schedule reference (github.com/google/transit, gtfs/spec/en/reference.md)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What a fault does: the feed can't be used; a row (or what hangs on it) is left out; it is read, but should be mended."""

    FATAL = "fatal"
    DROPPED = "dropped"
    WARNING = "warning"


@dataclass(frozen=True)
class Rule:
    """A rule that feeds break. `reference` names the section of the GTFS Schedule reference that makes it."""

    severity: Severity
    reference: str


FATAL, DROPPED, WARNING = Severity.FATAL, Severity.DROPPED, Severity.WARNING
FILES, FORMAT, FIELD_TYPES = "Dataset Files", "File Requirements", "Field Types"
RULES: dict[str, Rule] = {
    # the archive and its files
    "zip_unreadable": Rule(FATAL, FORMAT),
    "zip_too_large": Rule(FATAL, FORMAT),
    "file_missing": Rule(FATAL, FILES),
    "file_without_rows": Rule(FATAL, FILES),
    "file_empty": Rule(WARNING, FILES),
    "file_unknown": Rule(WARNING, FILES),
    "file_in_folder": Rule(WARNING, FORMAT),
    "file_name_case": Rule(WARNING, FORMAT),
    "file_damaged": Rule(FATAL, FORMAT),
    "encoding": Rule(WARNING, FORMAT),
    # rows and values
    "column_missing": Rule(FATAL, FORMAT),
    "column_twice": Rule(WARNING, FORMAT),
    "column_unknown": Rule(WARNING, FORMAT),
    "column_spaces": Rule(WARNING, FORMAT),
    "value_spaces": Rule(WARNING, FORMAT),
    "value_newline": Rule(WARNING, FORMAT),
    "quote_open": Rule(DROPPED, FORMAT),
    "row_too_long": Rule(DROPPED, FORMAT),
    "row_too_short": Rule(WARNING, FORMAT),
    "value_missing": Rule(DROPPED, "Presence"),
    "column_wanted": Rule(WARNING, "Presence"),
    "value_wanted": Rule(WARNING, "Presence"),
    "value_wrong": Rule(DROPPED, FIELD_TYPES),
    "value_passed_over": Rule(WARNING, FIELD_TYPES),
    "id_twice": Rule(DROPPED, "Dataset Attributes"),
    "reference_unknown": Rule(DROPPED, FIELD_TYPES),
    "reference_passed_over": Rule(WARNING, FIELD_TYPES),
    # agencies, stops, routes
    "zones_differ": Rule(WARNING, "agency.txt: agency_timezone"),
    "zone_unknown": Rule(FATAL, "agency.txt: agency_timezone"),
    "parent_wrong": Rule(WARNING, "stops.txt: parent_station"),
    "route_nameless": Rule(WARNING, "routes.txt: route_short_name"),
    # days of service
    "dates_backwards": Rule(DROPPED, "calendar.txt: end_date"),
    "service_never": Rule(WARNING, "calendar.txt"),
    "exception_without_effect": Rule(WARNING, "calendar_dates.txt: exception_type"),
    "days_missing": Rule(FATAL, "calendar.txt"),
    # trips and their calls
    "rows_unsorted": Rule(WARNING, "stop_times.txt: stop_sequence"),
    "stop_not_boardable": Rule(DROPPED, "stop_times.txt: stop_id"),
    "time_missing": Rule(DROPPED, "stop_times.txt: arrival_time"),
    "departure_before_arrival": Rule(DROPPED, "stop_times.txt: departure_time"),
    "time_backwards": Rule(DROPPED, "stop_times.txt: arrival_time"),
    "stop_repeated": Rule(WARNING, "stop_times.txt: stop_id"),
    "distance_backwards": Rule(WARNING, "stop_times.txt: shape_dist_traveled"),
    "trip_too_short": Rule(DROPPED, "Dataset Files: trips.txt"),
    "block_overlap": Rule(WARNING, "trips.txt: block_id"),
    # what hangs on trips
    "shape_too_short": Rule(WARNING, "shapes.txt"),
    "frequency_empty": Rule(DROPPED, "frequencies.txt: end_time"),
    "headway_too_short": Rule(DROPPED, "frequencies.txt: headway_secs"),
    "frequency_overlap": Rule(DROPPED, "frequencies.txt: headway_secs"),
    "transfer_without_time": Rule(WARNING, "transfers.txt: min_transfer_time"),
    "transfer_rule_unused": Rule(WARNING, "transfers.txt: from_trip_id"),
    "linked_trips_incomplete": Rule(DROPPED, "transfers.txt: from_trip_id"),
}


@dataclass(frozen=True)
class Fault:
    """One fault: the rule it breaks (a key of RULES), and where. `line` counts from 1 with the header (0: the whole
    file); `values` are the further gaps of its text."""

    rule: str
    file: str = ""
    line: int = 0
    column: str = ""
    value: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """What it does."""
        return RULES[self.rule].severity


@dataclass
class Report:
    """All faults of a feed in the order they were found; `rows` and `used` count by file what was there and what is used;
    `passed_over` are files of GTFS that nothing here reads."""

    faults: list[Fault] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)

    def add(self, rule: str, file: str = "", line: int = 0, column: str = "", value: str = "", **values: Any) -> None:
        """Takes a fault in."""
        self.faults.append(Fault(rule, file, line, column, value[:80], values))

    @property
    def usable(self) -> bool:
        """Whether there is a feed at all."""
        return not any(fault.severity is FATAL for fault in self.faults)

    def count(self) -> dict[Severity, int]:
        """How many faults of each severity."""
        counted = Counter(fault.severity for fault in self.faults)
        return {severity: counted[severity] for severity in Severity}

    def by_rule(self) -> list[tuple[str, str, list[Fault]]]:
        """(rule, file, its faults), the worst severity first."""
        found: dict[tuple[str, str], list[Fault]] = {}
        for fault in self.faults:
            found.setdefault((fault.rule, fault.file), []).append(fault)
        order = list(Severity)
        return sorted(
            ((rule, file, faults) for (rule, file), faults in found.items()),
            key=lambda one: order.index(RULES[one[0]].severity),
        )


def list_text_keys() -> Iterable[str]:
    """The catalogue keys of all rules: what is wrong, and what to do."""
    for rule in RULES:
        yield f"gtfs.fault.{rule}"
        yield f"gtfs.remedy.{rule}"
    for severity in Severity:
        yield f"gtfs.severity.{severity}"
