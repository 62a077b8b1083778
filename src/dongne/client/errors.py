"""What can go wrong in asking a city, by what whoever catches it should do."""


class CityError(Exception):
    """The city did not do it. `status` is its HTTP answer, 0 where there was none; `message` says value, place and
    remedy."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.status = status
        self.message = message


class BadRequest(CityError):
    """The request must change (4xx)."""


class NoSuchThing(CityError):
    """Nothing has this address, or none that this token may see (404)."""


class NotAllowed(CityError):
    """A token is needed, or another one (401, 403)."""


class TryLater(CityError):
    """The same again may succeed (429, 503, no answer). Tried several times before it is raised."""

    def __init__(self, status: int, message: str, after_s: float = 1.0) -> None:
        super().__init__(status, message)
        self.after_s = after_s


def error_of(status: int, message: str, after_s: float = 1.0) -> CityError:
    """The error of an answer."""
    match status:
        case 0 | 429 | 502 | 503 | 504:
            return TryLater(status, message, after_s)
        case 401 | 403:
            return NotAllowed(status, message)
        case 404 | 410:
            return NoSuchThing(status, message)
    return BadRequest(status, message) if 400 <= status < 500 else CityError(status, message)
