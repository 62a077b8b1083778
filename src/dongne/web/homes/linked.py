"""Pages of one home that are opened by a signed link: who brings it needs no sign-in. The links are made on the home's page."""

from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request

from dongne.model.entities import Thing
from dongne.model.errors import NotFound
from dongne.model.home import HOME, Contact, contacts_of
from dongne.model.times import from_us
from dongne.model.who import ANYBODY, Who
from dongne.runtime.consents import GIVEN, KIND
from dongne.runtime.ports import CaseFilter, Store
from dongne.standards.home_links import HomeLink, Use, make_link, read_link
from dongne.web.context import Care, WebContext
from dongne.web.frame import HOMES, Page, page_for

SCREEN_HOLDS = timedelta(days=366)
FAMILY_HOLDS = timedelta(days=30)
SCREENS_SINCE = "screens_since_s"  # of a home: links to its screen that were made before hold no longer
MOST_CONSENTS = 1_000


@dataclass(frozen=True)
class Linked:
    """A page that was opened by a link: the home, and of a relative's link which contact."""

    page: Page
    care: Care
    home: Thing
    link: HomeLink
    contact: Contact | None = None

    @property
    def store(self) -> Store:
        """That of the homes."""
        return self.care.store

    @property
    def path(self) -> str:
        """Its address."""
        return f"{HOMES}/{self.link.use}/{self.page.request.path_params['token']}"

    @property
    def who(self) -> Who:
        """As the audit log calls who brought it."""
        name = self.link.contact or self.link.use
        return Who(f"link {name} of home {self.home.id}", self.link.use)


def open_link(request: Request, use: Use) -> Linked:
    """What the link in the path opens. Raises NotFound where it holds no longer, or never did: it says not which. A look at it is never
    refused for there being many: somebody may need help."""
    context: WebContext = request.app.state.context
    page = page_for(request, ANYBODY)
    if context.care is None or not context.link_secret:
        raise NotFound("there is no such page")
    now_s = context.care.store.clock.now_us() / 1e6
    link = read_link(context.link_secret, use, request.path_params["token"], now_s)
    home = context.care.store.graph.things.get(link.home)
    if home is None or home.kind != HOME:
        raise NotFound("this link does not hold, or no longer; ask for a new one", reason="home_link")
    contact = _contact_of(context.care, home, link) if use == "family" else None
    is_ended = use == "screen" and link.made_s < int(home.properties.get(SCREENS_SINCE, 0))
    if is_ended or (use == "family" and contact is None):
        raise NotFound("this link does not hold, or no longer; ask for a new one", reason="home_link")
    page.spoken = (contact.language if contact else str(home.properties.get("language", ""))) or ""
    page.now_us = context.care.store.clock.now_us()
    return Linked(page, context.care, home, link, contact)


def _contact_of(care: Care, home: Thing, link: HomeLink) -> Contact | None:
    """The contact of a relative's link, while the consent stands with which it was made."""
    consent = care.store.find_case(link.consent)
    if consent is None or consent.state != GIVEN or not care.consents.holds(home.id, link.contact):
        return None
    return next((one for one in contacts_of(home.properties) if one.id == link.contact), None)


def make_screen_link(context: WebContext, home: Thing) -> str:
    """The path of the page for the screen at home."""
    assert context.care is not None
    now = from_us(context.care.store.clock.now_us())
    link = HomeLink("screen", home.id, int(now.timestamp()), int((now + SCREEN_HOLDS).timestamp()))
    return f"{HOMES}/screen/{make_link(context.link_secret, link)}"


def make_family_link(context: WebContext, home: Thing, contact: str) -> str | None:
    """The path of a contact's page; None where the person has not agreed that they are told."""
    assert context.care is not None
    consent = find_consent(context.care.store, home.id, contact)
    if consent is None:
        return None
    now = from_us(context.care.store.clock.now_us())
    link = HomeLink("family", home.id, int(now.timestamp()), int((now + FAMILY_HOLDS).timestamp()), contact, consent)
    return f"{HOMES}/family/{make_link(context.link_secret, link)}"


def find_consent(store: Store, home: int, what: str) -> str | None:
    """The key of the consent to this that stands; None where none does."""
    found = store.list_cases(CaseFilter(kind=KIND, thing=home, is_open=True, limit=MOST_CONSENTS))
    return next((case.key for case in found if case.values.get("what") == what), None)
