"""Staff sign in with their token, do what their role allows, and leave; no other site's page does anything in their name."""

import contextlib
from collections.abc import Iterator
from typing import Any

import little_city
import pytest
from little_city import BIN, Browser, LittleCity

from dongne.model.limits import Limits
from dongne.runtime.ports import CaseFilter
from dongne.web.api.rates import Rates
from dongne.web.forms import COOKIE


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleCity]:
    with little_city.open_little_city(tmp_path_factory.mktemp("guarded") / "store", guarded_at="0.0.0.0") as city:
        yield city


@pytest.fixture
def visitor(guarded: LittleCity) -> Iterator[Browser]:
    with contextlib.closing(Browser(guarded, **{"accept-language": "en"})) as opened:
        yield opened


def _token(city: LittleCity, role: str, things: tuple[int, ...] | None = None) -> str:
    assert city.guard is not None
    for one in city.guard.book.list_tokens():
        if one.name == role and one.revoked_us is None:
            city.guard.book.revoke(role, 2)
    return city.guard.book.issue(role, role, things, None, "", 1)


def _case(city: LittleCity) -> int:
    return city.store.list_cases(CaseFilter(kind="work_order"))[0].id


def _sign_in(visitor: Browser, token: str, onward: str = "/cases") -> Any:
    answer = visitor.post("/sign-in", data={"token": token, "next": onward})
    assert (answer.status_code, answer.headers["location"]) == (303, onward)
    return answer


def test_who_signs_in_is_named_with_the_role_and_may_what_it_allows(guarded: LittleCity, visitor: Browser) -> None:
    case = _case(guarded)
    assert 'name="action"' not in visitor.get(f"/cases/{case}").text
    said = _sign_in(visitor, _token(guarded, "operator")).headers["set-cookie"].lower()
    assert "httponly" in said and "samesite=lax" in said and "secure" not in said
    page = visitor.get(f"/cases/{case}")
    assert "<b>operator</b> <span>operator</span>" in page.text and 'name="action"' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert visitor.post(f"/cases/{case}/step", data={"action": "accept", "who": "somebody else"}).status_code == 303
    assert guarded.store.list_case_events(case)[-1][1].by == "operator", "the token says who it was, not the form"
    assert visitor.post("/services/smart_bins/settings", data={"full_percent": "70"}).status_code == 403
    visitor.post(f"/cases/{case}/step", data={"action": "done"})
    visitor.post(f"/cases/{case}/step", data={"action": "reopen"})
    assert visitor.post("/sign-out", data={}).status_code == 303
    assert 'name="action"' not in visitor.get(f"/cases/{case}").text
    assert guarded.guard is not None
    done = [(one.who, one.what) for one in guarded.guard.book.list_entries()]
    for what in ("signed in", "Case accept", "Case done", "signed out"):
        assert ("operator", what) in done
    assert guarded.guard.book.find_fault() == ""


def test_a_steward_of_some_things_sets_only_these(guarded: LittleCity, visitor: Browser) -> None:
    _sign_in(visitor, _token(guarded, "steward", (BIN,)))
    assert visitor.post("/services/smart_bins/settings", data={"ahead_h": "4"}).status_code == 403
    assert visitor.post("/services/smart_bins/settings", data={"ahead_h": "4", "thing": "2"}).status_code == 403
    assert visitor.post("/services/smart_bins/settings", data={"ahead_h": "4", "thing": str(BIN)}).status_code == 303
    assert guarded.guard is not None
    assert ("steward", "setting", f"smart_bins thing:{BIN}", "ahead_h = 4.0") in [
        (one.who, one.what, one.place, one.detail) for one in guarded.guard.book.list_entries()
    ]


def test_a_token_that_does_not_hold_signs_nobody_in_and_is_written_down(guarded: LittleCity, visitor: Browser) -> None:
    answer = visitor.post("/sign-in", data={"token": "dgn_nonsense", "next": "/"})
    assert answer.status_code == 401 and COOKIE not in answer.headers.get("set-cookie", "")
    assert "does not hold" in answer.text and "dgn_nonsense" not in answer.text
    assert guarded.guard is not None
    guarded.guard._notes.close()
    assert "token refused" in {one.what for one in guarded.guard.book.list_entries()}


@pytest.mark.parametrize("cookie", ["dgn_forged", "", "\x80\xff", "a" * 4000, "dgn_forged; dongne_token=x", '"'])
def test_a_forged_cookie_says_nothing_and_is_taken_away(guarded: LittleCity, visitor: Browser, cookie: str) -> None:
    headers = {"cookie": f"{COOKIE}={cookie}".encode("latin-1")}
    page = visitor.get("/", headers=headers)
    assert page.status_code == 200 and "Sign in" in page.text and f"{COOKIE}=" in page.headers["set-cookie"]
    assert visitor.get("/v1.1/Things", headers=headers).status_code == 200
    assert visitor.request("POST", "/v1.1/Things", json={"name": "x"}, headers=headers).status_code == 401


def test_a_revoked_token_ends_its_session_with_the_next_page(guarded: LittleCity, visitor: Browser) -> None:
    _sign_in(visitor, _token(guarded, "planner"))
    assert "<b>planner</b>" in visitor.get("/").text
    assert guarded.guard is not None
    guarded.guard.book.revoke("planner", 3)
    assert "<b>planner</b>" not in visitor.get("/").text


def test_the_cookie_reads_the_interface_and_never_writes_it(guarded: LittleCity, visitor: Browser) -> None:
    _sign_in(visitor, _token(guarded, "admin"))
    read = visitor.get("/v1.1/Things")
    assert read.status_code == 200 and read.headers["cache-control"] == "no-store"
    assert visitor.request("POST", "/v1.1/Things", json={"name": "x"}).status_code == 401
    assert visitor.request("DELETE", "/v1.1/Things(1)").status_code == 401
    assert visitor.request("POST", "/v1.1/Datastreams(1)/Observations", json={"result": 1}).status_code == 401


def test_no_form_is_taken_without_the_mark_of_its_page(guarded: LittleCity, visitor: Browser) -> None:
    before = visitor.find_mark()
    _sign_in(visitor, _token(guarded, "operator"))
    case, head = _case(guarded), guarded.store.head()
    for mark in ("", "0" * 48, before, visitor.find_mark()[:-1] + "x", "\x80", "é" * 48):
        for path in (f"/cases/{case}/step", "/sign-out", "/preferences", "/sign-in"):
            data = {"form": mark, "action": "accept", "theme": "dark", "token": "x"}
            assert visitor.post(path, data=data).status_code == 403, (path, mark)
    marks = {visitor.find_mark() for _ in range(4)}
    assert len(marks) == 4, "each page has its own salt"
    assert guarded.store.head() == head


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}]
)
def test_no_other_site_signs_anybody_in_or_out(guarded: LittleCity, visitor: Browser, headers: dict[str, str]) -> None:
    token = _token(guarded, "operator")
    assert visitor.post("/sign-in", data={"token": token}, headers=headers).status_code == 403
    _sign_in(visitor, token)
    assert visitor.post("/sign-out", data={}, headers=headers).status_code == 403
    assert visitor.post("/preferences", data={"theme": "dark"}, headers=headers).status_code == 403


def test_every_answer_says_what_browsers_must_not_do(guarded: LittleCity, visitor: Browser) -> None:
    for path in (
        "/",
        "/things/999",
        "/map/things.json",
        "/v1.1/Things",
        "/v1.1/Nothing",
        "/status",
        "/metrics",
        "/services.json",
    ):
        headers = visitor.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin", path
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy, path
        assert "strict-transport-security" not in headers
    assert "geolocation=(self)" in visitor.get("/").headers["permissions-policy"]


def test_over_https_cookies_are_for_https_and_browsers_are_told_to_stay(tmp_path: Any) -> None:
    rules = {"guarded_at": "0.0.0.0", "public_url": "https://dongne.example"}
    with (
        little_city.open_little_city(tmp_path / "store", **rules) as city,
        contextlib.closing(Browser(city)) as visitor,
    ):
        said = _sign_in(visitor, _token(city, "operator")).headers
        assert "secure" in said["set-cookie"].lower()
        assert visitor.get("/v1.1").headers["strict-transport-security"] == "max-age=31536000"
        # A proxy asks with a Host of its own; the browser says where its page came from.
        proxied = {"host": "127.0.0.1:8000", "sec-fetch-site": "same-origin"}
        for origin, code in (
            ("https://dongne.example", 303), ("http://dongne.example", 403), ("https://dongne.example.evil", 403), ("null", 403)
        ):  # fmt: skip
            answer = visitor.post("/preferences", data={"theme": "dark"}, headers={**proxied, "origin": origin})
            assert answer.status_code == code, origin


def test_pages_asked_for_too_often_are_429_on_the_frame(tmp_path: Any) -> None:
    limits = Limits(costly_reads_per_s=0.001, burst_s=3000.0, sign_ins_per_s=0.001, on_this_machine=True)
    with (
        little_city.open_little_city(tmp_path / "store", rates=Rates(limits)) as city,
        contextlib.closing(Browser(city)) as visitor,
    ):
        assert [visitor.get("/data").status_code for _ in range(4)] == [200, 200, 200, 429]
        answer = visitor.get("/data")
        assert int(answer.headers["retry-after"]) > 900 and "costly reads" in answer.text and "<h1" in answer.text
        program = visitor.get("/ogc/collections")
        assert (program.status_code, program.json()["code"]) == (429, "429") and int(
            program.headers["retry-after"]
        ) > 900
        assert city.context.rates.refused == {"costly_read": 3}
