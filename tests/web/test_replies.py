"""Answers by link: asked in large words, given by POST alone, once more where somebody is fine, and stored before it is said."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
from little_city import NOW, Browser, LittleCity

from dongne.model.notices import REQUESTED, Notice, NoticeEvent
from dongne.model.records import RecordKind
from dongne.runtime.ports import Entry, Transaction


def ask(city: LittleCity, once: str, to: str = "resident", **more: Any) -> Notice:
    key = f"smart_bins/1/ask/{once}"
    event = NoticeEvent(
        key=key, action=REQUESTED, name="title", time=NOW, service="smart_bins", to=to, asks=True, **more
    )
    city.store.submit(Transaction([Entry(RecordKind.NOTICE, msgspec.msgpack.encode(event))])).result()
    return now_is(city, key)


def now_is(city: LittleCity, key: str) -> Notice:
    found = city.store.find_notice(key)
    assert found is not None
    return found


def path_of(city: LittleCity, notice: Notice, recipient: str = "resident", channel: str = "sms") -> str:
    parts = urlsplit(city.answers.url_of(notice, recipient, channel))
    return f"{parts.path}?{parts.query}"


def test_a_link_asks_and_only_a_post_answers(city: LittleCity, browser: Browser) -> None:
    notice = ask(city, "1")
    path = path_of(city, notice)
    page = browser.get(path)
    assert page.status_code == 200 and "I am fine" in page.text and "Please help" in page.text
    assert page.headers["cache-control"] == "no-store" and page.headers["referrer-policy"] == "no-referrer"
    sure = browser.get(f"{path}&say=fine")
    assert "Are you really fine?" in sure.text
    assert now_is(city, notice.key).answers == ()
    taken = browser.request("POST", path, data={"answer": "fine"})
    assert taken.status_code == 200 and "Good to hear" in taken.text
    (answer,) = now_is(city, notice.key).answers
    assert (answer.answer, answer.by, answer.channel) == ("fine", "resident", "sms")


def test_the_same_answer_twice_is_one_and_another_one_counts(city: LittleCity, browser: Browser) -> None:
    notice = ask(city, "2")
    path = path_of(city, notice, channel="voice")
    for answer in ("fine", "fine", "help"):
        assert browser.request("POST", path, data={"answer": answer}).status_code == 200
    assert [one.answer for one in now_is(city, notice.key).answers] == ["fine", "help"]


def test_who_is_not_the_resident_is_asked_whether_they_take_care(city: LittleCity, browser: Browser) -> None:
    notice = ask(city, "3", "guardian")
    path = path_of(city, notice, "guardian:d")
    page = browser.get(path)
    assert "I take care of it" in page.text and "I am fine" not in page.text
    assert browser.request("POST", path, data={"answer": "fine"}).status_code == 400
    assert browser.request("POST", path, data={"answer": "acknowledged"}).status_code == 200
    assert now_is(city, notice.key).answers[0].by == "guardian:d"


def test_a_strange_or_old_link_says_where_to_call(city: LittleCity, browser: Browser) -> None:
    strange = browser.get("/replies/abcdef")
    assert strange.status_code == 404 and "tel:119" in strange.text
    old = ask(city, "4")
    old = msgspec.structs.replace(old, requested=NOW - timedelta(days=30))
    ended = browser.get(path_of(city, old))
    assert ended.status_code == 404 and "The time to answer by this link is over" in ended.text
    assert browser.request("POST", path_of(city, old), data={"answer": "help"}).status_code == 404


def test_an_exercise_says_so(city: LittleCity, browser: Browser) -> None:
    notice = ask(city, "5", exercise=True)
    assert "This is an exercise" in browser.get(path_of(city, notice)).text
