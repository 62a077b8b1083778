"""What both clients do with an answer: is it good, and when to ask again."""

import httpx
import msgspec

from dongne import __version__
from dongne.client.errors import TryLater, error_of

TRIES = 5
LONGEST_WAIT_S = 30.0


def headers_of(token: str) -> dict[str, str]:
    """The headers of every request."""
    found = {"user-agent": f"dongne-client/{__version__}"}
    return {**found, "authorization": f"Bearer {token}"} if token else found


def check(answer: httpx.Response) -> None:
    """Raises CityError where the answer is an error; its body must be read."""
    if answer.is_success:
        return
    try:
        message = str(msgspec.json.decode(answer.content)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        message = answer.text[:300] or answer.reason_phrase
    after = answer.headers.get("retry-after", "")
    raise error_of(answer.status_code, message, float(after) if after.isdigit() else 1.0)


def wait_s(error: TryLater, tried: int) -> float:
    """How long to wait before the next try: as the city says, or longer each time."""
    return min(max(error.after_s if error.status else 0.1 * 2**tried, 0.05), LONGEST_WAIT_S)
