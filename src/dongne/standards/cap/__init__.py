"""Common Alerting Protocol 1.2: alerts as XML, for whoever warns people (docs/alerts.md)."""
