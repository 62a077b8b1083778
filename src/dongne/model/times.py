"""Instants: aware UTC datetimes in code, whole microseconds since 1970 in columns and files."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def hint_time(said: str) -> str:
    """What a message about a wrong value has to add where that is a time: how one is written."""
    return "; a time is written as 2026-05-01T08:30:00Z" if "datetime" in said else ""


def to_us(instant: datetime) -> int:
    """Whole microseconds since 1970 of an aware datetime."""
    return (instant - EPOCH) // _US


def from_us(us: int) -> datetime:
    """The aware UTC datetime of whole microseconds since 1970."""
    return EPOCH + timedelta(0, 0, us)


def parse_instant(text: str) -> datetime:
    """The aware UTC datetime of an ISO 8601 text. Raises ValueError without a zone: an instant needs one."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; add Z or an offset such as +03:00")
    return instant.astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """ISO 8601 with Z, milliseconds or microseconds only where there are any."""
    text = instant.astimezone(UTC).isoformat().removesuffix("+00:00")
    if "." in text and text.endswith("000"):
        text = text[:-3]
    return text + "Z"
