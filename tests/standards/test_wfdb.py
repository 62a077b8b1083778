"""WFDB: bytes by hand, and published records by the checksums in their own headers."""

from pathlib import Path

import numpy as np
import pytest

from dongne.model.errors import BadInput
from dongne.standards.wfdb import read_annotations, read_counts, read_header, read_signals

HEADER = "x 2 250 2\nx.dat 212 200(10)/mV 12 0 0 0 0 II\nx.dat 212 0 12 5 0 0 0 V\n# female, 80\n"


def test_format_212_packs_two_samples_in_three_bytes() -> None:
    """By hand: 0x123 and -1 are 23 F1 FF; -2048 is the mark of a value that is missing."""
    header = read_header(HEADER)
    content = bytes([0x23, 0xF1, 0xFF, 0x00, 0x08, 0x05])
    assert [counts.tolist() for counts in read_counts(header, content)] == [[0x123, -2048], [-1, 5]]
    lead, other = read_signals(header, content)
    assert lead[0] == pytest.approx((0x123 - 10) / 200)
    assert np.isnan(lead[1])
    assert other.tolist() == pytest.approx([-6 / 200, 0.0])  # no gain: 200; no baseline: the converter's zero
    assert header.comments == ("female, 80",)


def test_a_signal_may_have_several_samples_a_frame() -> None:
    header = read_header("x 2 125 2\nx.dat 16x2 1\nx.dat 16 1\n")
    content = np.array([1, 2, 3, 4, 5, 6], "<i2").tobytes()
    assert [counts.tolist() for counts in read_counts(header, content)] == [[1, 2, 4, 5], [3, 6]]
    assert [signal.rate_hz for signal in header.signals] == [250, 125]


def test_annotations_carry_time_code_and_text() -> None:
    words = [28 << 10 | 18, 63 << 10 | 3]
    tail = [59 << 10, 1, 2, 1 << 10 | 5, 62 << 10 | 1, 0]
    content = np.array(words, "<u2").tobytes() + b"(VF\0" + np.array(tail, "<u2").tobytes()
    assert [tuple(mark) for mark in read_annotations(content)] == [(18, 28, "(VF"), (18 + 65536 + 2 + 5, 1, "")]


def test_what_is_not_read_is_said() -> None:
    with pytest.raises(BadInput, match="format 310"):
        read_counts(read_header("x 1 250 1\nx.dat 310 200\n"), b"1234")
    with pytest.raises(BadInput, match="several files"):
        read_counts(read_header("x 2 250 1\nx.dat 16 200\ny.dat 16 200\n"), b"1234")
    for text in ("", "x", "x 1 250 1\nx.dat high 200\n"):
        with pytest.raises(BadInput, match="not a WFDB header"):
            read_header(text)


@pytest.mark.parametrize("name", ["ecg_vfdb/418", "ecg_physionet/100", "ecg_physionet/a103l", "ecg_physionet/v102s"])
def test_samples_of_published_records_have_their_checksums(name: str, data_folder: Path) -> None:
    header = read_header((data_folder / f"{name}.hea").read_text())
    counts = read_counts(header, (data_folder / f"{name}.hea").with_name(header.signals[0].file).read_bytes())
    assert [len(one) for one in counts] == [header.frames] * len(header.signals)
    assert [
        (int(one.sum()) - (signal.checksum or 0)) % 65536 for one, signal in zip(counts, header.signals, strict=True)
    ] == [0] * len(counts)
