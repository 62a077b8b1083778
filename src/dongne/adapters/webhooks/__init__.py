"""Webhooks: batches of records, signed and sent by POST to who subscribed, until each has arrived."""

from dongne.adapters.webhooks.desk import NewWebhook, Owners, Webhooks
from dongne.adapters.webhooks.sender import Rules

__all__ = ["NewWebhook", "Owners", "Rules", "Webhooks"]
