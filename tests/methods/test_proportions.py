"""Intervals of shares against published and counted ones."""

import pytest

from dongne.methods.proportions import by_cluster, wilson


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3: 81/263, 15/148, 0/20, 1/29."""
    for hits, of, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def test_cases_that_hang_together_are_less_sure() -> None:
    alone = by_cluster([1] * 90 + [0] * 10, [1] * 100)
    together = by_cluster([10] * 9 + [0], [10] * 10)
    assert alone.low > together.low
    assert alone == pytest.approx(wilson(90, 100), abs=0.02)


def test_one_cluster_says_nothing_of_others() -> None:
    assert by_cluster([10, 0], [10, 0]) == (0.0, 1.0)
