"""What somebody sends to the pages who means harm: a page that says so, never a crash, never a file that is not for browsers."""

import contextlib
import re
from collections.abc import Iterator

import httpx
import little_city
import pytest
from little_city import Browser, LittleCity
from starlette.routing import Route

from dongne.web.app import create_pages

NASTY = [
    "9" * 40, "9" * 5_000, "-1", "0", "1e3", "0x1", "%00", "%0d%0aevil:%201", "..%2f..%2fetc%2fpasswd", "' or 1=1--", "<script>alert(1)</script>",
    "%ed%a0%80", "%ff%fe", "²", "{{7*7}}", "{0.__class__}", "con", "nan", "a" * 20_000,
]  # fmt: skip
TRAVERSALS = [
    "/assets/x/../../../../etc/passwd", "/assets/x/..%2f..%2f..%2fetc%2fpasswd", "/assets/x/%2e%2e/%2e%2e/app.py", "/assets/x//etc/passwd",
    "/assets/npm/uplot@1/../../../package.json", "/assets/npm/uplot@1/%2fetc%2fpasswd", "/assets/npm/..@1/package.json",
    "/assets/npm/maplibre-gl@1/..%2fpackage.json", "/assets/x/..\\..\\app.py", "/assets/x/%00", "/assets/x/" + "a" * 5_000,
    "/assets/x/" + "a/" * 3_000, "/map/..%2f..%2ftoken.json", "/map/city.pmtiles%00.json",
]  # fmt: skip


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleCity]:
    with little_city.open_little_city(tmp_path_factory.mktemp("attacked") / "store", guarded_at="0.0.0.0") as city:
        yield city


@pytest.fixture
def attacker(guarded: LittleCity) -> Iterator[Browser]:
    with contextlib.closing(Browser(guarded, **{"accept-language": "en"})) as opened:
        yield opened


def _roads(city: LittleCity, method: str, value: str) -> list[str]:
    routes = [one for one in create_pages(city.context).routes if isinstance(one, Route)]
    return [re.sub(r"{[^}]+}", lambda _: value, one.path) for one in routes if method in (one.methods or ())]


@pytest.mark.parametrize("value", NASTY, ids=[value[:16] for value in NASTY])
def test_nothing_in_an_address_breaks_a_page(guarded: LittleCity, attacker: Browser, value: str) -> None:
    names = ("q", "kind", "state", "near", "page", "stream", "span", "thing", "before", "show", "service", "lang", "lon", "days", "next",
             "format", "full_percent", "bbox", "filter", "limit")  # fmt: skip
    query = "&".join(f"{name}={value[:600]}" for name in names)
    for road in _roads(guarded, "GET", value):
        answer = attacker.get(road)
        assert answer.status_code in (200, 400, 401, 404, 405), (road[:80], answer.status_code)
        assert "evil" not in answer.headers and not _runs_script(answer)
    for road in ("/", "/things", "/things/1", "/map", "/cases", "/services/smart_bins", "/services/smart_bins/what-if", "/sign-in", "/data",
                 "/answers/whats_near", "/ogc/collections/street_lamp/items"):  # fmt: skip
        answer = attacker.get(f"{road}?{query}")
        assert answer.status_code in (200, 400, 404), (road, answer.status_code)
        assert not _runs_script(answer)


def _runs_script(answer: httpx.Response) -> bool:
    """Whether a browser would run what was sent: JSON with `nosniff` it does not."""
    is_text = answer.headers["content-type"].startswith(("application/json", "application/geo+json"))
    return "<script>alert" in answer.text and not (is_text and answer.headers["x-content-type-options"] == "nosniff")


@pytest.mark.parametrize("path", TRAVERSALS, ids=[path[:40] for path in TRAVERSALS])
def test_no_file_but_those_for_browsers_leaves_the_server(attacker: Browser, path: str) -> None:
    answer = attacker.get(path)
    assert answer.status_code in (400, 404), answer.text[:200]
    assert "root:" not in answer.text and "def " not in answer.text


BOMBS = [
    (b"a=1&" * 3_000, "application/x-www-form-urlencoded"),
    (b"form=%ed%a0%80&action=%00&who=%ff", "application/x-www-form-urlencoded"),
    (b"--x\r\nContent-Disposition: form-data; name=\"form\"; filename=\"../../x\"\r\n\r\n" + b"a" * 10_000 + b"\r\n--x--", "multipart/form-data; boundary=x"),
    (b"--x\r\n" * 2_000, "multipart/form-data; boundary=x"), (b"", "multipart/form-data"), (b"\xff" * 100, "multipart/form-data; boundary=\xff"),
    (b"{}", "application/json"), (b"form=" + b"9" * 100_000, "application/x-www-form-urlencoded"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind"), BOMBS, ids=[str(n) for n in range(len(BOMBS))])
@pytest.mark.parametrize("role", ["", "admin"])
def test_no_form_breaks_a_page_or_changes_anything(
    guarded: LittleCity, attacker: Browser, role: str, body: bytes, kind: str
) -> None:
    head = guarded.store.head()
    assert guarded.guard is not None
    more = {"authorization": f"Bearer {guarded.guard.token}"} if role else {}
    for road in [*_roads(guarded, "POST", "1"), "/services/smart_bins/settings"]:
        answer = attacker.request("POST", road, content=body, headers={"content-type": kind.encode("latin-1"), **more})
        assert answer.status_code in (303, 400, 401, 403, 404, 409, 413), (road, answer.status_code, answer.text[:300])
    assert guarded.store.head() == head


def test_a_form_longer_than_any_of_ours_is_not_read(attacker: Browser) -> None:
    answer = attacker.request(
        "POST",
        "/sign-in",
        content=b"token=" + b"a" * (3 << 20),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 413
    assert "shorter" in answer.text
