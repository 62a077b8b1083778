"""The pages of webhooks and of the status, by forms alone."""

import html
import re

import pytest
from little_city import Browser, LittleCity


def mark_in(page: str) -> dict[str, str]:
    """The hidden field that every form of ours has."""
    found = re.search(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    assert found
    return {found[1]: html.unescape(found[2])}


def test_a_webhook_is_made_looked_at_and_deleted_by_forms(city: LittleCity, browser: Browser) -> None:
    page = browser.get("/webhooks").text
    form = {
        **mark_in(page),
        "url": "https://192.0.2.1/hook",
        "name": "<b>mine</b>",
        "event-cases": "1",
        "access": "public",
    }
    made = browser.post("/webhooks", data=form)
    assert made.status_code == 201, made.text[:500]
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.text)
    assert secret and "&lt;b&gt;mine&lt;/b&gt;" in made.text
    number = int(re.findall(r'action="/webhooks/(\d+)/', made.text)[0])
    assert secret[0] not in browser.get(f"/webhooks/{number}").text, "it was shown once"
    renewed = browser.post(f"/webhooks/{number}/secret", data=mark_in(made.text))
    for shown in (made, renewed):
        assert (
            f'href="/webhooks/{number}?lang=ko"' in shown.text
            and f'name="next" value="/webhooks/{number}"' in shown.text
        )
    mark = mark_in(made.text)
    assert browser.post(f"/webhooks/{number}/pause", data=mark).headers["location"] == f"/webhooks/{number}?saved=pause"
    assert "Paused" in browser.get(f"/webhooks/{number}").text
    assert browser.post(f"/webhooks/{number}/resume", data=mark).status_code == 303
    assert browser.post(f"/webhooks/{number}/dismiss", data={**mark, "letter": "7"}).status_code == 404
    assert browser.post(f"/webhooks/{number}/delete", data=mark).headers["location"] == "/webhooks?saved=delete"
    assert browser.get(f"/webhooks/{number}").status_code == 404


@pytest.mark.parametrize(
    ("path", "section"),
    [("/webhooks", "/services"), ("/status", "/services"), ("/catalog", "/data"), ("/ogc/collections", "/data")],
)
def test_the_menu_says_where_a_page_belongs(browser: Browser, path: str, section: str) -> None:
    page = browser.get(path, headers={"accept": "text/html"}).text
    assert re.findall(r'<a href="([^"]+)" aria-current="true">', page) == [section]


def test_what_can_not_be_a_webhook_is_said_beside_the_form(browser: Browser) -> None:
    mark = mark_in(browser.get("/webhooks").text)
    wrong = browser.post("/webhooks", data={**mark, "url": "ftp://x", "name": "kept", "event-cases": "1"})
    assert wrong.status_code == 400
    assert "a webhook goes to https" in wrong.text and 'value="kept"' in wrong.text
    wrong = browser.post(
        "/webhooks", data={**mark, "url": "https://192.0.2.1/", "event-cases": "1", "things": "1, two"}
    )
    assert wrong.status_code == 400 and "“two” is no number" in wrong.text


def test_the_status_is_a_page_for_browsers_and_json_for_programs(city: LittleCity, browser: Browser) -> None:
    page = browser.get("/status", headers={"accept": "text/html,application/xhtml+xml"})
    assert "The ledger of Observations" in page.text and "Held against the sequence" in page.text
    assert browser.get("/status", headers={"accept": "*/*"}).json()["ledger"]["sequence"]["unaccounted"] >= 0
