"""What may be in the sealed tables: never no of what is there, seldom perhaps of what is not."""

import os

from dongne.stores.sealed.known import Known


def test_what_was_put_may_be_there_and_hardly_anything_else() -> None:
    one_by_one, at_once = Known(), Known()
    hashes = [os.urandom(16) for _ in range(20_000)]
    for hashed in hashes:
        one_by_one.put(hashed)
    at_once.put_many(hashes)
    for known in (one_by_one, at_once):
        assert all(known.may_have(hashed) for hashed in hashes)
        assert sum(known.may_have(os.urandom(16)) for _ in range(20_000)) < 20
