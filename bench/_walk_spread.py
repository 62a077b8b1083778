"""Whether advice sends everybody down one lane: the same question asked often, with and without the load of those sent before."""

from collections import Counter
from dataclasses import replace

import numpy as np
from bench._walk_networks import draw_trips

from dongne.methods.advised_load import AdvisedLoad
from dongne.methods.crowd_field import CrowdField
from dongne.methods.walk_choices import choose
from dongne.methods.walk_costs import Fields, get_profile
from dongne.methods.walk_metrics import Metrics
from dongne.methods.walk_network import WalkNetwork

SECONDS_US = 1_000_000
REFRESH_S = 10  # the metrics learn of the load; a running city does so each minute


def show_spread(name: str, network: WalkNetwork, seed: int, trips: int = 8, per_s: int = 2, minutes: int = 10) -> None:
    """Prints over how many routes they are sent, and what that costs them. One question of a pair of places after the other, at `per_s`."""
    metrics, calm = Metrics(network), get_profile("calm")
    quiet = Fields.none(network)
    full_per_h = CrowdField(network, []).full_per_h
    metrics.plan(0, [quiet])()
    chance = np.random.default_rng(seed)
    print(
        f"  {name}: {trips} pairs of places, each asked {per_s} times a second for {minutes} minutes; nobody else about (simulated)"
    )
    rows = []
    for a, b in draw_trips(network, metrics.board.connected["calm"], chance, trips, (500.0, 1500.0)):
        load, sent, felt = AdvisedLoad(full_per_h), Counter[tuple[int, ...]](), []
        people = np.zeros(network.edges)
        metrics.plan(0, [quiet])()
        alone = choose(metrics.board, calm, a, b, 0)[0]
        for number in range(60 * minutes * per_s):
            now_us = number * SECONDS_US // per_s
            if number % (REFRESH_S * per_s) == 0:
                metrics.plan(0, [replace(quiet, sent=load.everywhere(now_us))])()
            first = choose(metrics.board, calm, a, b, now_us, load)[0]
            sent[tuple(first.route.arcs)] += 1
            felt.append(first.felt_ms / alone.felt_ms)
            people[sorted(first.edges)] += 1
        shared = sum(network.lengths_m[e] for e in alone.edges if people[e] == sum(sent.values()))
        rows.append(
            (
                len(sent),
                max(sent.values()) / sum(sent.values()),
                float(np.mean(felt)),
                max(felt),
                shared / alone.length_m,
            )
        )
    routes, share, mean, most, shared_by_all = np.array(rows).T
    print(
        f"  {'':13} sent over {routes.mean():.1f} routes (median {np.median(routes):.0f}, 1 where there is no comparable one: {(routes == 1).sum()}), the busiest has "
        f"{100 * share.mean():.0f} % of them; {100 * shared_by_all.mean():.0f} % of the best route everybody has to walk; felt {100 * (mean.mean() - 1):.1f} % longer in the mean, "
        f"{100 * (most.max() - 1):.1f} % at most. Without the load all are sent along one",
        flush=True,
    )  # fmt: skip
