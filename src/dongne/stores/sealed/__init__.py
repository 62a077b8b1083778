"""A store in which each person's data lie under a key of their own. `docs/homes-privacy.md` says against whom that helps."""

from dongne.stores.sealed.store import SealedStore

__all__ = ["SealedStore"]
