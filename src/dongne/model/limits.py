"""How much one who asks may ask of a city, as `[limits]` in its `city.toml` says."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Per token, and where there is none per client address; 0 is no limit. What is not used is saved up for `burst_s`
    seconds. `costly_reads_per_s` are questions that need the history or a walk over many entities, and pages.
    `on_this_machine`: whether they hold for clients of this machine too. `write_origins`: the sites whose scripts may
    write ("https://app.example"); reading is open to all.
    """

    writes_per_s: float = 5_000.0
    costly_reads_per_s: float = 50.0
    sign_ins_per_s: float = 1.0
    burst_s: float = 10.0
    body_mib: float = 20.0
    on_this_machine: bool = False
    write_origins: tuple[str, ...] = ()
