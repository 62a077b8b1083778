"""A timetable (GTFS Schedule) looked at: each fault with file, line, value, what it does and what to do about it.

A row that can't be used is left out and named; what can be used is used. Exit code 1 where the feed can't be used or
rows were left out, 0 where there are warnings alone.

examples:
  dongne gtfs check feed.zip
  dongne gtfs check feed.zip --language ko
  dongne gtfs check feed.zip --all           every fault, not only the first of each kind
  dongne gtfs check feed.zip --json          the same for programs, with all faults

What operators say now (GTFS Realtime) is brought into a running city, once or again and again:

  dongne gtfs realtime trips.pb --city kuopio --data ../datasets
  dongne gtfs realtime https://example.org/trips.pb --every 30 --city kuopio --data ../datasets
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dongne.commands.places import add_city
from dongne.model.errors import BadInput

if TYPE_CHECKING:
    from dongne.standards.gtfs.fault import Fault, Report
    from dongne.standards.gtfs.feed import Feed

SHOWN = 3  # faults of a kind that are printed; all are counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne gtfs` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="every fault of a feed, and what to do about it")
    check.add_argument("feed", type=Path, metavar="FEED", help="a GTFS zip")
    check.add_argument("--language", default="en", choices=("ko", "en"), help="of the report (%(default)s)")
    check.add_argument("--all", action="store_true", help="every fault, not only the first of each kind")
    check.add_argument("--json", action="store_true", help="as JSON, with all faults")
    told = actions.add_parser("realtime", help="delays, cancellations and disruptions into a running city")
    told.add_argument("feed", metavar="FEED", help="a file, or an address of http or https")
    told.add_argument("--every", type=float, default=0.0, metavar="SECONDS", help="again and again (once)")
    told.add_argument(
        "--data", type=Path, metavar="FOLDER", help="data sets, where the city's timetable is one of them"
    )
    told.add_argument("--url", help="a running city elsewhere")
    told.add_argument("--token", default="", help="the token for writing there")
    add_city(told)


def execute(arguments: argparse.Namespace) -> int:
    """Checks; 1 where something was left out or nothing can be used. Or brings real time in."""
    if arguments.action == "realtime":
        from dongne.commands.gtfs_realtime import bring

        return bring(arguments)
    from dongne.standards.gtfs.fault import Severity
    from dongne.standards.gtfs.read import read

    try:
        body = arguments.feed.read_bytes()
    except OSError as error:
        raise BadInput(f"{arguments.feed}: {error.strerror}; give a GTFS zip") from error
    feed, report = read(body)
    words = load_texts(arguments.language)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(as_json(feed, report, words)), indent=2).decode())
    else:
        _print(feed, report, words, None if arguments.all else SHOWN)
    counted = report.count()
    return 1 if counted[Severity.FATAL] or counted[Severity.DROPPED] else 0


def load_texts(language: str) -> dict[str, str]:
    """The texts of all rules in a language."""
    from dongne.runtime.words import read_words
    from dongne.standards import gtfs

    return read_words(Path(gtfs.__file__).parent / "texts" / f"{language}.po")


def tell(fault: "Fault", words: dict[str, str], part: str = "fault") -> str:
    """What is wrong, or (part "remedy") what to do, in the language of the words."""
    from dongne.web.particles import choose_particles

    gaps = {"file": fault.file, "column": fault.column, "value": fault.value, **fault.values}
    return choose_particles(words[f"gtfs.{part}.{fault.rule}"].format(**gaps))


def as_json(feed: "Feed | None", report: "Report", words: dict[str, str]) -> dict[str, Any]:
    """The report for programs."""
    from dongne.standards.gtfs.fault import RULES

    first, last = feed.get_span() if feed else (None, None)
    return {
        "usable": feed is not None,
        "days": [str(first), str(last)] if feed else None,
        "counts": {str(severity): count for severity, count in report.count().items()},
        "rows": report.rows,
        "used": report.used,
        "not_read": report.passed_over,
        "faults": [
            {
                "rule": fault.rule, "severity": str(fault.severity), "file": fault.file, "line": fault.line,
                "column": fault.column, "value": fault.value, "message": tell(fault, words),
                "remedy": tell(fault, words, "remedy"), "reference": RULES[fault.rule].reference,
            }
            for fault in report.faults
        ],
    }  # fmt: skip


def _print(feed: "Feed | None", report: "Report", words: dict[str, str], shown: int | None) -> None:
    from dongne.standards.gtfs.fault import RULES

    for rule, file, faults in report.by_rule():
        severity = RULES[rule].severity
        print(f"{words[f'gtfs.severity.{severity}']}: {file or 'zip'} ({len(faults)})")
        for fault in faults[:shown]:
            place = f"{fault.file}:{fault.line}" if fault.line else fault.file
            print(f"  {place}  {tell(fault, words)}")
        if shown is not None and len(faults) > shown:
            print(f"  ... {len(faults) - shown}")
        print(f"  -> {tell(faults[0], words, 'remedy')}  [{RULES[rule].reference}]")
    for name, count in report.rows.items():
        print(f"{name:20} {count:>9,} rows, {report.used.get(name, 0):,} used")
    if report.passed_over:
        print(f"not read: {', '.join(sorted(report.passed_over))}")
    if feed:
        first, last = feed.get_span()
        print(f"{first} .. {last}, {feed.zone}")
