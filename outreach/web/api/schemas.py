"""The bodies and answers of the API. Values are checked by the verbs; here stand shapes, so that OpenAPI tells them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AwareDatetime, ConfigDict, Field, JsonValue, field_validator
from pydantic_core import PydanticCustomError

Slug = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$")]
Names = Annotated[dict[str, str], Field(description="A text in each language: {bg, en}.")]
ChannelName = Literal["email", "sms", "social", "feed", "push", "webhook"]
Kind = Literal["citizen", "business", "official", "partner"]
Lang = Literal["bg", "en"]
Short = Annotated[str, Field(max_length=200)]


def storable(value: Any) -> Any:
    """Refuse text that PostgreSQL cannot keep: the character NUL, and halves of a surrogate pair."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise PydanticCustomError("not_text", "This holds a character that is not text.")
    elif isinstance(value, dict):
        for name, inner in value.items():
            storable(name)
            storable(inner)
    elif isinstance(value, list):
        for inner in value:
            storable(inner)
    return value


class Body(Schema):
    """A body: an unknown field is an error, since it is most often a slip of the pen."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        return storable(value)


class ServiceIn(Body):
    slug: Slug
    organisation: Slug | None = None
    name: Names
    url: Annotated[str, Field(max_length=500)]
    steps: Names = {}
    kinds: list[Kind] = []
    topics: list[Slug] = []


class TopicIn(Body):
    slug: Slug
    organisation: Slug | None = None
    parent: Slug | None = None
    name: Names
    description: Annotated[Names | str, Field(description="In each language, or one text in yours.")] = {}


class AddressIn(Body):
    channel: ChannelName
    value: Annotated[str, Field(max_length=320)]


class ConsentIn(Body):
    source: Annotated[str, Field(max_length=40)] = "api"
    text_version: Annotated[str, Field(max_length=60)] = ""
    at: AwareDatetime | None = None
    ip: Annotated[str, Field(max_length=45)] = ""


#: A channel to persons; '' takes the wish away.
WishedChannel = Literal["email", "sms", ""]


class SubscriberIn(Body):
    """What is left out stays as it is known."""

    organisation: Slug | None = None
    addresses: Annotated[list[AddressIn], Field(min_length=1, max_length=20)]
    kind: Kind | None = None
    name: Short | None = None
    language: Lang | None = None
    timezone: Annotated[str, Field(max_length=50)] | None = None
    preferred_channel: WishedChannel | None = None
    attributes: Annotated[dict[str, JsonValue], Field(description="Merged; null removes one.")] | None = None
    topics: list[Slug] = []
    consent: ConsentIn | None = None


class SubscriberPatch(Body):
    """What is given is the new value; `addresses` and `topics` are whole lists."""

    addresses: Annotated[list[AddressIn], Field(max_length=20)] | None = None
    kind: Kind | None = None
    name: Short | None = None
    language: Lang | None = None
    timezone: Annotated[str, Field(max_length=50)] | None = None
    preferred_channel: WishedChannel | None = None
    attributes: dict[str, JsonValue] | None = None
    topics: list[Slug] | None = None


class WarmUpIn(Body):
    """A ramp for a new sender: so many messages on the first day, each day `growth` times the day before."""

    starts_on: date | None = None
    first_day: Annotated[int, Field(ge=1, le=100_000_000)]
    growth: Annotated[float, Field(ge=1, le=10)] = 1.5
    days: Annotated[int, Field(ge=1, le=365)] = 30


#: Domain (or `*` for each other one) -> messages a minute.
DomainRates = dict[Annotated[str, Field(max_length=253)], Annotated[int, Field(ge=1, le=10_000_000)]]


#: Part of an organisation's accounts of one channel that messages are split over; 0 only stands by.
Weight = Annotated[int, Field(ge=0, le=1000)]


class AccountIn(Body):
    organisation: Slug | None = None
    adapter: Annotated[str, Field(max_length=40)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    settings: dict[str, JsonValue] = {}
    unknown_policy: Literal["resend", "hold"] | None = None
    rate_per_minute: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    domain_rates: DomainRates = {}
    warm_up: WarmUpIn | None = None
    weight: Weight = 1


class AccountPatch(Body):
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    settings: dict[str, JsonValue] | None = None
    unknown_policy: Literal["resend", "hold"] | None = None
    rate_per_minute: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    domain_rates: DomainRates | None = None
    warm_up: WarmUpIn | None = None
    weight: Weight | None = None


#: Promised for later: null for now, and anything else is refused in words.
Unused = Annotated[JsonValue, Field(description="Null: not used yet.")]


class AudienceIn(Body):
    topics: list[Slug] = []
    exclude: list[Slug] = []
    kinds: list[Kind] = []
    segment: Unused = None


class ChannelsIn(Body):
    mode: Literal["all", "preferred"] = "all"
    order: list[ChannelName] = []
    fallback: Annotated[
        bool, Field(description="With `preferred`: the next channel after one that failed for good.")
    ] = True
    fallback_after: (
        Annotated[
            int, Field(ge=1, le=2880, description="Minutes without a receipt that count as a failure; null for none.")
        ]
        | None
    ) = None


class CalendarIn(Body):
    """An entry for the reader's calendar; times are local to the zone unless they have an offset."""

    title: Annotated[str, Field(min_length=1, max_length=200)]
    start: datetime
    end: datetime
    timezone: Annotated[str, Field(max_length=50, description="'' for the organisation's.")] = ""
    place: Annotated[str, Field(max_length=300)] = ""


Preheader = Annotated[str, Field(max_length=200, description="Of an e-mail: what stands beside the subject.")]
PicturesWord = Annotated[Literal["hosted", "attached"], Field(description="How pictures that were uploaded are shown.")]


class ContentIn(Body):
    channel: ChannelName
    language: Lang
    variant: Annotated[str, Field(max_length=20)] = ""
    format: Literal["markdown", "mjml", "html", "text"] = "markdown"
    subject: Annotated[str, Field(max_length=300)] = ""
    body: Annotated[str, Field(max_length=200_000)] = ""
    account: str | None = None
    preheader: Preheader = ""
    calendar: CalendarIn | None = None
    pictures: PicturesWord = "hosted"
    media: Annotated[list[JsonValue], Field(max_length=50, description="Empty: not used yet.")] = []


class ScheduleIn(Body):
    at: datetime | None = None
    timezone: Annotated[str, Field(max_length=50)] = "Europe/Sofia"
    not_after: datetime | None = None
    recurrence: Unused = None
    window: Unused = None


class ExperimentIn(Body):
    holdout: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    allocation: Literal["even"] | None = "even"


class CampaignIn(Body):
    organisation: Slug | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)]
    goal: Literal["knows", "understands", "interested", "uses", "satisfied", "recommends"] = "knows"
    audience: AudienceIn = AudienceIn()
    channels: ChannelsIn = ChannelsIn()
    contents: Annotated[list[ContentIn], Field(max_length=50)] = []
    schedule: ScheduleIn = ScheduleIn()
    experiment: ExperimentIn = ExperimentIn()
    tracking: Literal["aggregate", "individual", "none"] = "aggregate"
    services: list[Slug] = []


class CampaignPatch(Body):
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    goal: Literal["knows", "understands", "interested", "uses", "satisfied", "recommends"] | None = None
    audience: AudienceIn | None = None
    channels: ChannelsIn | None = None
    contents: Annotated[list[ContentIn], Field(max_length=50)] | None = None
    schedule: ScheduleIn | None = None
    experiment: ExperimentIn | None = None
    tracking: Literal["aggregate", "individual", "none"] | None = None
    services: list[Slug] | None = None


class ScheduleCall(Body):
    """Where it is left out, the campaign's own schedule holds."""

    at: datetime | None = None
    timezone: Annotated[str, Field(max_length=50)] | None = None


class NoteCall(Body):
    note: Annotated[str, Field(max_length=2000)] = ""


class TestCall(Body):
    to: Annotated[list[AddressIn], Field(min_length=1, max_length=20)]
    language: Lang | None = None


class PreviewCall(Body):
    subscriber: Annotated[str, Field(max_length=20)]


Basis = Literal["contract", "legal_obligation", "vital_interests", "public_task"]


class NoticeText(Body):
    """One text of a notice. It knows `{{ data.… }}`, `{{ subscriber.… }}` and `{{ organisation.name }}`."""

    channel: Literal["email", "sms"]
    language: Lang
    format: Literal["markdown", "mjml", "html", "text"] | None = None
    subject: Annotated[str, Field(max_length=300)] = ""
    body: Annotated[str, Field(max_length=200_000)] = ""
    account: Annotated[str, Field(max_length=20)] | None = None
    preheader: Preheader = ""
    calendar: CalendarIn | None = None
    pictures: PicturesWord = "hosted"


class NoticeContentIn(NoticeText):
    """A text for this notice alone."""

    lawful_basis: Basis


class NoticeTemplateIn(Body):
    slug: Slug
    organisation: Slug | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)]
    lawful_basis: Annotated[Basis, Field(description="Why it may be sent without consent: GDPR, article 6(1).")]
    contents: Annotated[list[NoticeText], Field(min_length=1, max_length=10)]


class NoticeTemplatePatch(Body):
    """What is given is the new value; `contents` is the whole list."""

    slug: Slug | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    lawful_basis: Basis | None = None
    contents: Annotated[list[NoticeText], Field(min_length=1, max_length=10)] | None = None


class NoticeTo(Body):
    """A channel and an address, or a subscriber (with a channel, where the template has texts for several)."""

    channel: Literal["email", "sms"] | None = None
    value: Annotated[str, Field(max_length=320)] | None = None
    subscriber: Annotated[str, Field(max_length=20)] | None = None


class NoticeIn(Body):
    """One message to one person: by a `template`, or with a `content` of its own."""

    organisation: Slug | None = None
    to: NoticeTo
    template: Slug | None = None
    content: NoticeContentIn | None = None
    data: Annotated[dict[str, JsonValue], Field(description="What `{{ data }}` holds: at most 20,000 characters.")] = {}
    language: Lang | None = None


Colour = Annotated[str, Field(max_length=7, description="As #104080; '' for that of the organisation above.")]


class BrandingIn(Body):
    """What is given is the new value; an empty one asks the organisations above again."""

    organisation: Slug | None = None
    name: Names | None = None
    logo: Annotated[str, Field(max_length=40, description="The `key` of a picture.")] | None = None
    colour: Colour | None = None
    link_colour: Colour | None = None
    footer: Names | None = None


class ConversionIn(Body):
    """Who it was: one of the three."""

    delivery: Annotated[str, Field(max_length=40)] | None = None
    subscriber: Annotated[str, Field(max_length=20)] | None = None
    click_token: Annotated[str, Field(max_length=100)] | None = None
    service: Slug
    name: Annotated[str, Field(min_length=1, max_length=40)]
    value: float | None = None
    at: AwareDatetime | None = None


class SourceIn(Body):
    organisation: Slug | None = None
    name: Short = ""
    url: Annotated[str, Field(max_length=1000)]
    topic: Slug
    language: Lang = "bg"


class ServiceOut(Schema):
    id: str
    slug: str
    organisation: str
    name: dict[str, str]
    url: str
    steps: dict[str, str]
    kinds: list[str]
    topics: list[str]


class TopicOut(Schema):
    id: str
    slug: str
    organisation: str
    parent: str | None
    name: dict[str, str]
    description: dict[str, str]
    feeds: dict[str, str]


class SourceOut(Schema):
    id: str
    name: str
    url: str
    topic: str
    language: str
    trouble: str
    read_at: str | None
    next_at: str | None


class AddressOut(Schema):
    channel: str
    value: str
    state: str


class SubscriptionOut(Schema):
    topic: str
    channel: str
    state: str


class SubscriberOut(Schema):
    id: str
    organisation: str
    kind: str
    name: str
    language: str
    timezone: str
    preferred_channel: str | None
    attributes: dict[str, Any]
    addresses: list[AddressOut]
    subscriptions: list[SubscriptionOut]
    created_at: str


class ImportOut(Schema):
    id: str
    state: str
    file_name: str
    topic: str
    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    trouble: str
    errors_url: str | None


class AccountOut(Schema):
    """`lent_by` is the organisation above that lends it, null for one's own; of a lent one no setting is shown."""

    id: str
    organisation: str
    lent_by: str | None
    adapter: str
    channel: str
    name: str
    settings: dict[str, Any]
    unknown_policy: str
    rate_per_minute: int
    domain_rates: dict[str, int]
    warm_up: dict[str, Any] | None
    weight: int
    share: float
    state: str
    trouble: str
    trouble_since: str | None
    hook_urls: dict[str, str]


class ContentOut(Schema):
    channel: str
    language: str
    variant: str
    format: str
    subject: str
    body: str
    account: str | None
    preheader: str
    calendar: dict[str, str] | None
    pictures: str


class AudienceOut(Schema):
    topics: list[str]
    exclude: list[str]
    kinds: list[str]


class ChannelsOut(Schema):
    mode: str
    order: list[str]
    fallback: bool
    fallback_after: int | None


class ScheduleOut(Schema):
    at: str | None
    timezone: str
    not_after: str | None


class CampaignOut(Schema):
    id: str
    organisation: str
    name: str
    state: str
    goal: str
    audience: AudienceOut
    channels: ChannelsOut
    contents: list[ContentOut]
    schedule: ScheduleOut
    experiment: dict[str, float]
    tracking: str
    services: list[str]
    created_at: str
    edited_at: str


class ConversionOut(Schema):
    id: str
    name: str
    at: str


class RunOut(Schema):
    """The run of a test send."""

    id: str
    state: str


class NoticeTemplateOut(Schema):
    id: str
    slug: str
    organisation: str
    name: str
    lawful_basis: str
    contents: list[dict[str, Any]]
    created_at: str
    changed_at: str


class NoticeAccepted(Schema):
    id: str
    state: str


class NoticeOut(Schema):
    """`delivery` is the receipt's id: `GET /deliveries/{delivery}`."""

    id: str
    organisation: str
    template: str | None
    lawful_basis: str
    channel: str
    language: str
    address: str
    subscriber: str | None
    state: str
    reason: str
    receipt: str
    uncertain: bool
    attempts: int
    provider_id: str
    delivery: str
    created_at: str
    settled_at: str | None
    receipt_at: str | None


class PictureOut(Schema):
    """`url` is for texts; `key` for a logo."""

    id: str
    organisation: str
    key: str
    url: str
    media_type: str
    width: int
    height: int
    bytes: int
    alt: str


class BrandingOut(Schema):
    """What the organisation set itself, and what its e-mails look like once those above it were asked."""

    organisation: str
    own: dict[str, Any]
    effective: dict[str, Any]


class ListPage(Schema):
    items: list[dict[str, Any]]
    next_cursor: str | None


class ProblemDocument(Schema):
    """RFC 9457."""

    model_config = ConfigDict(extra="allow")
    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, str]] | None = None
