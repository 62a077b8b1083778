"""Recordings in PhysioNet's WFDB format: header, samples, annotations.

Source: WFDB Applications Guide, header(5), signal(5), annot(5). Read are the formats 16, 61, 80 and 212, several samples a frame,
and MIT annotations; other formats are refused by name. Physical value = (sample - baseline) / gain.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dongne.model.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DEFAULT_GAIN = 200.0  # counts per mV where the header has none: header(5)
_FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?$")
_GAIN = re.compile(r"([\d.eE+-]+?)(?:\((-?\d+)\))?(?:/(\S+))?$")
_INVALID = {16: -(2**15), 61: -(2**15), 80: -(2**7), 212: -(2**11)}
_NUM, _SUB, _CHN, _AUX, _SKIP = 60, 61, 62, 63, 59


class Signal(NamedTuple):
    """What a header says of a signal; `rate_hz` is its own."""

    file: str
    format: int
    frame: int  # samples a frame
    offset: int  # bytes before the first sample
    gain: float
    baseline: int
    unit: str
    checksum: int | None
    name: str
    rate_hz: float


@dataclass(frozen=True, slots=True)
class Header:
    """A record: its name, frames a second, frames, signals and comments."""

    name: str
    rate_hz: float
    frames: int
    signals: tuple[Signal, ...]
    comments: tuple[str, ...]


class Annotation(NamedTuple):
    """A mark at a sample (of the frame rate): code of annot(5), and its text, such as "(VF"."""

    sample: int
    code: int
    text: str


def read_header(text: str) -> Header:
    """The header of a record (a .hea file). Raises BadInput with the line that can't be read."""
    lines = [line.strip() for line in text.splitlines()]
    comments = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    lines = [line for line in lines if line and not line.startswith("#")]
    try:
        words = lines[0].split()
        rate_hz = float(words[2].partition("/")[0])
        signals = tuple(_read_signal(line, rate_hz) for line in lines[1 : 1 + int(words[1])])
        return Header(words[0], rate_hz, int(words[3]) if len(words) > 3 else 0, signals, comments)
    except (IndexError, ValueError) as error:
        raise BadInput(f"not a WFDB header: {lines[0][:80] if lines else 'empty'!r}: {error}") from error


def _read_signal(line: str, rate_hz: float) -> Signal:
    words = line.split(maxsplit=8)
    shape = _FORMAT.match(words[1])
    gain = _GAIN.match(words[2]) if len(words) > 2 else None
    if shape is None:
        raise ValueError(f"signal format {words[1]!r}")
    zero = int(words[4]) if len(words) > 4 else 0
    frame = int(shape[2] or 1)
    return Signal(
        file=words[0],
        format=int(shape[1]),
        frame=frame,
        offset=int(shape[4] or 0),
        gain=(float(gain[1]) if gain else 0.0) or DEFAULT_GAIN,
        baseline=int(gain[2]) if gain and gain[2] is not None else zero,
        unit=(gain[3] if gain else None) or "mV",
        checksum=int(words[6]) if len(words) > 6 else None,
        name=words[8] if len(words) > 8 else "",
        rate_hz=rate_hz * frame,
    )


def read_counts(header: Header, content: bytes) -> list[Ints]:
    """Samples of the signals as counts, in the order of the header; all of them lie in one file, whose bytes `content` is."""
    first = header.signals[0]
    if any((s.file, s.format, s.offset) != (first.file, first.format, first.offset) for s in header.signals):
        raise BadInput(f"{header.name}: its signals lie in several files or formats; one is read")
    flat = _decode(first.format, content[first.offset :], header.name)
    width = sum(s.frame for s in header.signals)
    frames = min(header.frames or len(flat) // width, len(flat) // width)
    table = flat[: frames * width].reshape(frames, width)
    edges = np.cumsum([0, *(s.frame for s in header.signals)])
    return [table[:, a:b].reshape(-1) for a, b in pairwise(edges)]


def read_signals(header: Header, content: bytes) -> list[Floats]:
    """As `read_counts`, in physical units; NaN where the recorder had no value."""
    found = []
    for signal, counts in zip(header.signals, read_counts(header, content), strict=True):
        value = (counts - signal.baseline) / signal.gain
        found.append(np.where(counts == _INVALID[signal.format], np.nan, value))
    return found


def _decode(number: int, content: bytes, name: str) -> Ints:
    if number in (16, 61):
        content = content[: len(content) // 2 * 2]
        return np.frombuffer(content, "<i2" if number == 16 else ">i2").astype(np.int64)
    if number == 80:
        return np.frombuffer(content, np.uint8).astype(np.int64) - 128
    if number == 212:
        triples = np.frombuffer(content[: len(content) // 3 * 3], np.uint8).astype(np.int64).reshape(-1, 3)
        low = triples[:, 0] | (triples[:, 1] & 0x0F) << 8
        high = triples[:, 2] | (triples[:, 1] & 0xF0) << 4
        pairs = np.stack([low, high], axis=1).reshape(-1)
        return np.asarray(np.where(pairs > 2047, pairs - 4096, pairs), np.int64)
    raise BadInput(f"{name}: signal format {number} is not read; 16, 61, 80 and 212 are")


def read_annotations(content: bytes) -> list[Annotation]:
    """The marks of an annotation file (MIT format), in order."""
    words = np.frombuffer(content[: len(content) // 2 * 2], "<u2").tolist()
    found: list[Annotation] = []
    at = sample = 0
    while at < len(words):
        code, value = words[at] >> 10, words[at] & 1023
        at += 1
        if code == 0 and value == 0:
            break
        if code == _SKIP:
            gap = (words[at] << 16 | words[at + 1]) if at + 1 < len(words) else 0
            sample += gap - (1 << 32) if gap >= 1 << 31 else gap
            at += 2
        elif code == _AUX:
            raw = content[2 * at : 2 * at + value]
            at += (value + 1) // 2
            if found:
                found[-1] = found[-1]._replace(text=raw.rstrip(b"\0").decode("latin-1"))
        elif code not in (_NUM, _SUB, _CHN):
            sample += value
            found.append(Annotation(sample, code, ""))
    return found
