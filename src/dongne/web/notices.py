"""Notices in words: what people are told and asked, by whichever channel."""

from dongne.model.notices import Notice
from dongne.web.names import plain
from dongne.web.texts import Words


def notice_text(words: Words, notice: Notice, thing: str = "") -> str:
    """By its service's catalogue under "<service>.<name>"; what belongs to an exercise says so first."""
    values = {"thing": thing, **notice.values}
    key = f"{notice.service}.{notice.name}"
    text = words.find([key, f"{notice.service}.case.{notice.name}"], **values) or plain(notice.name)
    return words.say("notice.exercise", text=text) if notice.exercise else text


def notice_subject(words: Words, notice: Notice, thing: str = "") -> str:
    """In a line: "<service>.<name>.subject", else what the service is called."""
    values = {"thing": thing, **notice.values}
    keys = [f"{notice.service}.{notice.name}.subject", f"{notice.service}.title"]
    text = words.find(keys, **values) or plain(notice.name)
    return words.say("notice.exercise", text=text) if notice.exercise else text
