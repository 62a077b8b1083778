"""Everything that can go wrong, by what whoever catches it should do.

DongneError
├── BadInput      the sender must change something; HTTP 400
│   ├── TooLarge  the same, by its size; HTTP 413
│   ├── WrongMethod  the same, by its method; HTTP 405
│   └── WrongForm the same, by its content type; HTTP 415
├── NotFound      nothing has this name; HTTP 404
├── Conflict      somebody was quicker, or the step is not allowed now; HTTP 409
├── NotAllowed    who asks may not; HTTP 403
│   └── NotKnown  nobody knows who asks; HTTP 401
├── RetryLater    nothing is wrong with the input; the same again may succeed; HTTP 503
│   └── TooMany   the same, as more comes than can be taken; HTTP 429
└── BadSetup      the city or a service is set up wrongly; the start is refused
"""

from collections.abc import Sequence


class DongneError(Exception):
    """An error with a message for whoever caused it: value, place and remedy.

    `reason` is a short fixed word under which it is counted in the metrics.
    """

    status = 500

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).__name__


class BadInput(DongneError):
    """The sender must change something."""

    status = 400


class TooLarge(BadInput):
    """The sender must send less at once."""

    status = 413


class WrongMethod(BadInput):
    """This address does not take the method; `allowed` are those that it takes."""

    status = 405

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method[:20]} is not answered here; allowed: {', '.join(allowed)}", reason="method")
        self.allowed = tuple(allowed)


class WrongForm(BadInput):
    """The body is of a content type that is not read here."""

    status = 415


class NotFound(DongneError):
    """Nothing has this name."""

    status = 404


class Conflict(DongneError):
    """Somebody was quicker, or this step is not allowed in the present state."""

    status = 409


class NotAllowed(DongneError):
    """Who asks may not do this."""

    status = 403


class NotKnown(NotAllowed):
    """Nobody knows who asks: there is no token, or none that holds."""

    status = 401


class RetryLater(DongneError):
    """The same request again may succeed; nothing of it was stored. `after_s`: not sooner than in so many seconds."""

    status = 503

    def __init__(self, message: str, *, reason: str = "", after_s: float = 1.0) -> None:
        super().__init__(message, reason=reason)
        self.after_s = after_s


class TooMany(RetryLater):
    """More comes than can be taken: the queue is full, or one sender has had its share."""

    status = 429


class BadSetup(DongneError):
    """The city or a service is set up wrongly; the start is refused."""
