"""The pages of homes: who may open them, why, and what is written down; whatever they show of one home, in its order."""

import contextlib
import io
import re
import shutil
import wave
from html import unescape

from little_city import Browser, LittleCity, visiting
from little_homes import PLANTED, Homes, ask, go_on, link_of, log_of, open_alarm

from dongne.model.home import DeviceEvent, GatewayMessage
from dongne.model.who import BENCH, Right, Who
from dongne.runtime.consents import consent_key
from dongne.web.homes_sight import HomesSight


def test_who_may_not_see_homes_is_told_what_to_do_and_nothing_of_them(care_city: LittleCity, homes: Homes) -> None:
    for role, status in (("", 401), ("operator", 403), ("auditor", 403), ("planner", 403), ("device", 403)):
        with visiting(care_city, role) as who:
            for road in (
                "/homes",
                f"/homes/{homes.real}",
                f"/homes/{homes.played}",
                f"/homes/{homes.real}/now.json",
                "/homes/999",
            ):
                found = who.get(road)
                assert found.status_code == status and "ask a carer" in found.text, (role, road)
                assert not any(planted in found.text for planted in (*PLANTED, "qqperson")), (role, road)


def test_an_open_bench_sees_simulated_homes_and_never_a_real_one(bench: LittleCity, homes: Homes) -> None:
    headers = {"accept-language": "en", "host": "127.0.0.1"}
    with visiting(bench) as elsewhere:  # under a name that is not this machine's
        assert elsewhere.get("/homes").status_code == 401
    with contextlib.closing(Browser(bench, **headers)) as whoever:
        page = whoever.get("/homes").text
        assert "qqperson" in page and "open bench" in page
        assert whoever.get(f"/homes/{homes.played}").status_code == 200
        for road in (
            "/homes",
            "/homes?q=zz",
            "/cases",
            "/cases?show=all",
            "/",
            f"/homes/{homes.real}",
            f"/homes/{homes.real}/now.json",
        ):
            assert not any(planted in whoever.get(road).text for planted in PLANTED), road
        assert whoever.get(f"/homes/{homes.real}").status_code == 404
    assert HomesSight(homes.store).find(Who()) is None
    assert HomesSight(homes.store).find(Who("x", "operator", frozenset({Right.CASE}), is_known=True)) is None
    sight = HomesSight(homes.store).find(BENCH)
    assert sight is not None and sight.things == {homes.played} and not sight.is_all


def test_each_view_of_a_home_has_a_purpose_and_is_in_the_audit_log(care_city: LittleCity, homes: Homes) -> None:
    road = f"/homes/{homes.real}"
    with visiting(care_city, "carer") as carer:  # its token says "rounds"
        for _ in range(2):
            assert "zznote" in carer.get(road).text
        carer.get(road, headers={"sec-fetch-dest": "empty"})
    seen = [entry for entry in log_of(care_city) if entry[1] == "home seen"]
    assert seen[:2] == [("carer kim", "home seen", road, "carer rounds")] * 2 and len(seen) == 3


def texts_of(page: str) -> list[str]:
    """The lines of the chain, as they are read."""
    return [
        " ".join(unescape(re.sub("<[^>]+>", " ", line)).split())
        for line in re.findall(
            r"<li class=.*?</li>", page.split('class="chain"')[1].split("</ol>", maxsplit=1)[0], re.S
        )
    ]


def play_a_fire(homes: Homes) -> None:
    """Smoke, a Case, the resident is asked, 119 told; each a second later than the one before."""
    event = DeviceEvent("zzsmoke", "smoke", homes.now, 1.0)
    homes.gateways.take(GatewayMessage("gw-zz1", 1, homes.now, (event,))).result()
    homes.later(2)
    case = open_alarm(homes, homes.real)
    asked = ask(homes, homes.real, case=case.key)
    homes.later(1)
    go_on(homes, asked, "attempted", attempt=1, channel="speaker", recipient="resident")
    homes.later(1)
    go_on(homes, asked, "received", attempt=1, receipt="sp-1")
    homes.later(1)
    told = ask(homes, homes.real, "dispatch_fire", "119", case.key, asks=False)
    go_on(homes, told, "attempted", attempt=1, channel="dispatch", recipient="119")
    homes.later(1)
    go_on(homes, told, "failed", attempt=1, error="busy")
    homes.later(1)
    go_on(homes, told, "attempted", attempt=2, channel="dispatch", recipient="119")
    homes.later(1)
    go_on(homes, told, "received", attempt=2, receipt="D-1")
    homes.later(1)
    go_on(homes, told, "answered", answer="acknowledged", by="desk 4", channel="dispatch")


def test_the_chain_is_whole_in_order_and_to_the_second(care_city: LittleCity, homes: Homes) -> None:
    play_a_fire(homes)
    with visiting(care_city, "carer") as carer:
        page = carer.get(f"/homes/{homes.real}").text
    assert texts_of(page) == [
        "14:00:00 +0 s sensor Smoke, zzsmoke: raised",
        "14:00:02 +2 s step Opened → new service “Alarm at home”",
        "14:00:02 +2 s to tell to person at home: Smoke or gas alarm",
        "14:00:03 +3 s sent person at home · speaker at home · the person",
        "14:00:04 +4 s provider took it person at home · speaker at home · the person. Receipt sp-1",
        "14:00:05 +5 s to tell to 119: To 119: Fire",
        "14:00:05 +5 s sent 119 · line to 119 · control centre",
        "14:00:06 +6 s failed 119 · line to 119 · control centre: busy",
        "14:00:07 +7 s sent 119 · line to 119 · control centre",
        "14:00:08 +8 s provider took it 119 · line to 119 · control centre. Receipt D-1",
        "14:00:09 +9 s human answered 119: “I take care of it” (line to 119 · desk 4)",
    ]


def test_the_page_is_another_whenever_something_has_happened(care_city: LittleCity, homes: Homes) -> None:
    with visiting(care_city, "carer") as carer:
        seen = [carer.get(f"/homes/{homes.real}/now.json").json()["revision"]]
        case = open_alarm(homes, homes.real)
        seen.append(carer.get(f"/homes/{homes.real}/now.json").json()["revision"])
        asked = ask(homes, homes.real, case=case.key)
        seen.append(carer.get(f"/homes/{homes.real}/now.json").json()["revision"])
        go_on(homes, asked, "answered", answer="fine", by="resident", channel="screen")
        seen.append(carer.get(f"/homes/{homes.real}/now.json").json()["revision"])
        open_alarm(homes, homes.played)
        assert carer.get(f"/homes/{homes.real}/now.json").json()["revision"] == seen[-1]
    assert len(set(seen)) == 4


def test_steps_of_the_alarm_are_taken_on_the_homes_page(care_city: LittleCity, homes: Homes) -> None:
    case = open_alarm(homes, homes.real)
    with visiting(care_city, "carer") as carer:
        data = {"action": "acknowledge", "events": case.events, "back": "home"}
        done = carer.post(f"/homes/cases/{case.id}/step", data=data)
        assert done.status_code == 303 and done.headers["location"].startswith(f"/homes/{homes.real}?")
    assert homes.store.get_case(case.id).state == "acknowledged"


def test_who_has_no_purpose_in_the_token_says_it_once_for_a_visit(care_city: LittleCity, homes: Homes) -> None:
    road = f"/homes/{homes.real}"
    assert care_city.guard is not None
    token = care_city.guard.book.issue("carer without", "carer", None, None, "", 1)
    with contextlib.closing(Browser(care_city, authorization=f"Bearer {token}", **{"accept-language": "en"})) as carer:
        asked = carer.get(road)
        assert asked.status_code == 403 and "What do you open this for?" in asked.text and "zznote" not in asked.text
        assert carer.post(f"{road}/consents", data={"what": "daughter", "action": "withdraw"}).status_code == 400
        said = carer.post("/homes/purpose", data={"why": "alarm", "more": "smoke at 14", "next": road})
        assert said.status_code == 303 and said.headers["location"] == road
        assert "zznote" in carer.get(road).text
    assert ("carer without", "home seen", road, "carer alarm: smoke at 14") in log_of(care_city)


def test_homes_with_alarms_come_first_and_each_is_found_by_gateway_and_pseudonym(
    care_city: LittleCity, homes: Homes
) -> None:
    with visiting(care_city, "carer") as carer:
        page = carer.get("/homes").text
        assert page.index("qqperson") < page.index("zzperson"), "by gateway"
        open_alarm(homes, homes.real)
        page = carer.get("/homes").text
        assert page.index("zzperson") < page.index("qqperson") and "1 with an alarm" in page
        for asked, found in (("gw-demo", "qqperson"), ("ZZPER", "zzperson")):
            only = carer.get(f"/homes?q={asked}").text
            assert ("qqperson" in only, "zzperson" in only) == (found == "qqperson", found == "zzperson")
    assert ("carer kim", "homes listed", "/homes", "carer rounds") in log_of(care_city)


def test_a_consent_is_withdrawn_and_given_again_on_the_page(care_city: LittleCity, homes: Homes) -> None:
    with visiting(care_city, "carer") as carer:
        for action, holds in (("withdraw", False), ("withdraw", False), ("give", True), ("give", True)):
            assert (
                carer.post(f"/homes/{homes.real}/consents", data={"what": "daughter", "action": action}).status_code
                == 303
            )
            assert homes.consents.holds(homes.real, "daughter") is holds
        assert (
            carer.post(f"/homes/{homes.real}/consents", data={"what": "stranger", "action": "give"}).status_code == 400
        )
    given = homes.store.find_case(consent_key(homes.real, "daughter", 2))
    assert given is not None and given.state == "given"


def test_a_relatives_page_closes_with_the_consent_and_a_new_one_needs_a_new_link(
    care_city: LittleCity, homes: Homes
) -> None:
    play_a_fire(homes)
    with visiting(care_city, "carer") as carer, visiting(care_city) as daughter:
        made = carer.post(f"/homes/{homes.real}/links", data={"use": "family", "contact": "daughter"}).text
        found = re.search(r'href="http://testserver(/homes/family/[^"]+)"', made)
        assert found is not None
        page = daughter.get(f"{found[1]}?lang=en")
        assert page.status_code == 200 and "119 has received the call." in page.text and "signs of a fire" in page.text
        hidden = set(PLANTED) - {"zzperson"}
        assert (
            not any(planted in page.text for planted in hidden)
            and "sp-1" not in page.text
            and "desk 4" not in page.text
        )
        for action in ("withdraw", "give"):
            carer.post(f"/homes/{homes.real}/consents", data={"what": "daughter", "action": action})
            assert daughter.get(found[1]).status_code == 404, "also when it was given anew"
            assert daughter.get(f"{found[1]}/now.json").status_code == 404
        assert "zz" not in daughter.get(found[1]).text.replace(found[1], "")
    assert any(
        entry[:2] == (f"link daughter of home {homes.real}", "home seen by a relative") for entry in log_of(care_city)
    )


def test_a_link_holds_for_its_page_and_its_time_and_is_nobody_elses(care_city: LittleCity, homes: Homes) -> None:
    consent = consent_key(homes.real, "daughter")
    family = link_of(homes, "family", homes.real, contact="daughter", consent=consent)
    screen = link_of(homes, "screen", homes.real)
    with visiting(care_city) as anybody:
        assert anybody.get(family).status_code == 200 and anybody.get(screen).status_code == 200
        for wrong in (
            family.replace("family", "screen"),
            screen.replace("screen", "family"),
            screen[:-2] + "AA",
            f"{screen}x",
        ):
            assert anybody.get(wrong).status_code == 404
        other = link_of(
            homes, "family", homes.real, contact="daughter", consent=consent_key(homes.real, "medical_note", 2)
        )
        assert anybody.get(other).status_code == 404
        homes.later(3_601)
        assert anybody.get(family).status_code == 404 and anybody.get(screen).status_code == 404


def test_links_to_a_screen_end_when_a_carer_ends_them(care_city: LittleCity, homes: Homes) -> None:
    screen = link_of(homes, "screen", homes.real)
    with visiting(care_city, "carer") as carer, visiting(care_city) as anybody:
        assert anybody.get(screen).status_code == 200
        homes.later(1)
        carer.post(f"/homes/{homes.real}/links", data={"use": "end"})
        assert anybody.get(screen).status_code == 404
        homes.later(5)
        assert anybody.get(link_of(homes, "screen", homes.real)).status_code == 200


def test_a_person_leaves_only_when_the_gateways_number_is_written_out(care_city: LittleCity, homes: Homes) -> None:
    road = f"/homes/{homes.real}"
    with visiting(care_city, "carer") as carer:
        assert "gw-zz1" in carer.get(f"{road}/leave").text
        assert carer.post(f"{road}/leave", data={"gateway": "gw-zz"}).status_code == 400
        assert carer.get(road).status_code == 200
        assert carer.post(f"{road}/leave", data={"gateway": "gw-zz1"}).status_code == 303
        assert carer.get(road).status_code == 404 and "zzperson" not in carer.get("/homes").text


# --- the screen at home


def test_fine_is_asked_again_before_it_counts(care_city: LittleCity, homes: Homes) -> None:
    screen = link_of(homes, "screen", homes.real)
    with visiting(care_city) as tablet:
        quiet = tablet.get(f"{screen}?lang=en").text
        assert "All is quiet." in quiet and "Help me" in quiet and "I am fine" not in quiet
        asked = ask(homes, homes.real)
        question = tablet.get(f"{screen}?lang=en").text
        assert "A smoke or gas alarm is sounding" in question and f'href="{screen}?sure={asked.id}"' in question
        assert 'value="fine"' not in question
        sure = tablet.get(f"{screen}?sure={asked.id}&lang=en").text
        assert "Are you really fine?" in sure and 'value="fine"' in sure and "Help me" in sure
        assert homes.answered(asked) == [], "to look is no answer"
        tablet.post(f"{screen}/press", data={"answer": "fine", "n": str(asked.id)})
        assert homes.answered(asked) == [("fine", "resident", "screen")]
        assert "Good to hear that you are fine." in tablet.get(f"{screen}?lang=en").text


def test_help_is_taken_at_once_as_a_call_and_as_an_answer(care_city: LittleCity, homes: Homes) -> None:
    screen = link_of(homes, "screen", homes.real)
    with visiting(care_city) as tablet:
        assert tablet.post(f"{screen}/press", data={"answer": "help"}).status_code == 303
        stream = next(s for s in homes.store.graph.list_datastreams(homes.real) if s.properties["device"] == "screen")
        latest = homes.store.latest(stream.id)
        assert homes.store.graph.property_key(stream) == "help_call" and latest is not None and latest.result == 1.0
        assert "Those who can help are being told." in tablet.get(f"{screen}?lang=en").text
        asked = ask(homes, homes.real)
        tablet.post(f"{screen}/press", data={"answer": "help", "n": str(asked.id)})
        assert homes.answered(asked) == [("help", "resident", "screen")]
        for wrong in ({"answer": "maybe"}, {"answer": "fine"}, {"answer": "fine", "n": "999999"}):
            assert tablet.post(f"{screen}/press", data=wrong).status_code == 400


def test_a_screen_answers_for_its_own_home_only(care_city: LittleCity, homes: Homes) -> None:
    asked = ask(homes, homes.played)
    to_guardian = ask(homes, homes.real, "warn", "guardian")
    screen = link_of(homes, "screen", homes.real)
    with visiting(care_city) as tablet:
        for notice in (asked, to_guardian):
            assert tablet.post(f"{screen}/press", data={"answer": "fine", "n": str(notice.id)}).status_code == 400
            assert tablet.get(f"{screen}/say.wav?n={notice.id}").status_code == 404
            tablet.post(f"{screen}/shown?n={notice.id}", data={})
            assert homes.answered(notice) == [] and not homes.screens.has_shown(notice.key)


def test_a_notice_is_shown_when_the_page_says_so_with_and_without_script(care_city: LittleCity, homes: Homes) -> None:
    first, second = ask(homes, homes.real), ask(homes, homes.real, "ask_again")
    screen = link_of(homes, "screen", homes.real)
    with visiting(care_city) as tablet:
        assert not homes.screens.is_on(homes.real)
        tablet.get(screen)
        assert homes.screens.is_on(homes.real) and not homes.screens.has_shown(second.key)
        assert tablet.post(f"{screen}/shown?n={second.id}", data={}).status_code == 204
        assert homes.screens.has_shown(second.key) and not homes.screens.has_shown(first.key)
        dot = tablet.get(f"{screen}/shown.gif?n={first.id}")
        assert dot.headers["content-type"] == "image/gif" and homes.screens.has_shown(first.key)


def test_another_sites_page_presses_nothing(care_city: LittleCity, homes: Homes) -> None:
    asked = ask(homes, homes.real)
    screen = link_of(homes, "screen", homes.real)
    with visiting(care_city) as tablet:
        data = {"answer": "fine", "n": str(asked.id)}
        assert tablet.post(f"{screen}/press", data=data, headers={"origin": "https://evil.example"}).status_code == 403
    assert homes.answered(asked) == []


def test_what_is_asked_can_be_heard(care_city: LittleCity, homes: Homes, need: object) -> None:
    need("espeak", shutil.which("espeak-ng") is not None, "espeak-ng is not installed")  # type: ignore[operator]
    asked = ask(homes, homes.real)
    with visiting(care_city) as tablet:
        sound = tablet.get(f"{link_of(homes, 'screen', homes.real)}/say.wav?n={asked.id}")
    with wave.open(io.BytesIO(sound.content)) as spoken:
        assert spoken.getnframes() / spoken.getframerate() > 2


def test_nothing_of_a_home_is_on_any_road_of_those_who_may_not_see_it(care_city: LittleCity, homes: Homes) -> None:
    play_a_fire(homes)
    roads = ["/", "/cases", "/cases?show=all", "/cases.json", "/cases.atom", "/alerts/cap.atom", "/map", "/things?all=1", "/data",
             "/services", "/catalog", "/status", "/metrics", "/v1.1/Things", "/v1.1/Datastreams", "/v1.1/Observations", "/homes",
             "/cases/watch.json", "/homes/screen/x", "/homes/family/x", f"/homes/{homes.real}", f"/homes/{homes.real}/leave"]  # fmt: skip
    for role in ("", "operator"):
        with visiting(care_city, role) as who:
            for road in roads:
                assert not any(planted in who.get(road).text for planted in PLANTED), (role, road)
