"""SCAIP (SS 91100:2014, CLC/TS 50134-9:2018): alarms and heartbeats of a home's gateway, as XML in SIP MESSAGE (docs/scaip.md)."""
