"""SIP messages cut out of a stream by Content-Length (RFC 3261, 18.3), however the bytes arrive."""

from dongne.standards.scaip.sip import MOST_BODY_BYTES, MOST_HEAD_BYTES, SipError, content_length, read_head, request_of

PING = b"\r\n\r\n"  # RFC 5626, 3.5.1: a client that asks whether the connection still stands


class Framer:
    """`feed` bytes, `take` messages. Holds at most one message; what can't be cut raises SipError, after which the stream
    is of no use any more."""

    def __init__(self, most_body_bytes: int = MOST_BODY_BYTES) -> None:
        self._held = bytearray()
        self._most_body_bytes = most_body_bytes
        self._searched = 0  # so far there is no end of headers
        self.pings = 0  # asked for since the last look; each wants CRLF

    def feed(self, data: bytes) -> None:
        """More of the stream."""
        self._held += data

    def take(self) -> bytes | None:
        """The next whole message; None until more comes. Raises SipError."""
        self._drop_line_ends()
        end = self._held.find(PING, max(self._searched - 3, 0))
        if end < 0 and len(self._held) <= MOST_HEAD_BYTES:
            self._searched = len(self._held)
            return None
        if end < 0 or end > MOST_HEAD_BYTES:
            raise SipError(f"the headers are longer than {MOST_HEAD_BYTES} bytes", "head_too_long", 413)
        head = bytes(self._held[:end])
        whole = end + len(PING) + self._body_bytes(head)
        if len(self._held) < whole:
            self._searched = end
            return None
        message = bytes(self._held[:whole])
        del self._held[:whole]
        self._searched = 0
        return message

    @property
    def is_between(self) -> bool:
        """There is no part of a message."""
        return not self._held.strip(b"\r\n")

    def _body_bytes(self, head: bytes) -> int:
        line, headers = read_head(head)
        request = request_of(line, headers)
        try:
            length = content_length(headers)
        except SipError as error:
            error.request = request
            raise
        if length is None:
            raise SipError("over TCP a message must have Content-Length", "content_length", request=request)
        if length > self._most_body_bytes:
            message = f"the body has {length} bytes; at most {self._most_body_bytes} are taken"
            raise SipError(message, "body_too_long", 413, request)
        return length

    def _drop_line_ends(self) -> None:
        ends = len(self._held) - len(self._held.lstrip(b"\r\n"))
        if not ends:
            return
        pings = ends // len(PING)
        keep = ends - pings * len(PING) if ends == len(self._held) else 0  # the rest of a ping may still come
        del self._held[: ends - keep]
        self.pings += pings
        self._searched = 0
