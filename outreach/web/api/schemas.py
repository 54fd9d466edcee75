"""The bodies and answers of the API. Values are checked by the verbs; here stand shapes, so that OpenAPI tells them."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AwareDatetime, ConfigDict, Field, JsonValue, field_validator
from pydantic_core import PydanticCustomError

from schedules.zones import is_of_our_time

Slug = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$")]
Names = Annotated[dict[str, str], Field(description="A text in each language: {bg, en}.")]
ChannelName = Literal["email", "sms", "social", "feed", "push", "webhook"]
Kind = Literal["citizen", "business", "official", "partner"]
Lang = Literal["bg", "en"]
Short = Annotated[str, Field(max_length=200)]
Often = Literal["immediate", "daily", "weekly"]


def storable(value: Any) -> Any:
    """Refuse what PostgreSQL cannot keep: the character NUL, halves of a surrogate pair, `1e999` and NaN."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise PydanticCustomError("not_text", "This holds a character that is not text.")
    elif isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("not_finite", "This is not a number that can be kept.")
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

    @field_validator("*", mode="after")
    @classmethod
    def _is_of_our_time(cls, value: Any) -> Any:
        if isinstance(value, datetime) and not is_of_our_time(value):
            raise PydanticCustomError(
                "not_of_our_time", "This time lies too far away: years from 1900 to 8999 can be kept."
            )
        return value


class ServiceIn(Body):
    slug: Slug
    organisation: Slug | None = None
    name: Names
    url: Annotated[str, Field(max_length=500)]
    steps: Names = {}
    kinds: list[Kind] = []
    topics: list[Slug] = []
    click_parameter: Annotated[
        str, Field(max_length=40, description="Parameter in which a click hands its token on; '' for none.")
    ] = ""


class TopicIn(Body):
    slug: Slug
    organisation: Slug | None = None
    parent: Slug | None = None
    name: Names
    description: Annotated[Names | str, Field(description="In each language, or one text in yours.")] = {}


class TopicPatch(Body):
    """What is given is the new value; the slug stays."""

    name: Names | None = None
    description: Names | None = None
    parent: Annotated[Slug | None, Field(description="What it belongs under; null puts it at the root.")] = None
    position: Annotated[int | None, Field(ge=0, le=10_000, description="Place among its siblings, from 0.")] = None


class AddressIn(Body):
    channel: ChannelName
    value: Annotated[str, Field(max_length=320)]


class AddressPatch(Body):
    value: Annotated[str, Field(max_length=320)]


class ConsentIn(Body):
    source: Annotated[str, Field(max_length=40)] = "api"
    text_version: Annotated[str, Field(max_length=60)] = ""
    language: Annotated[Literal["bg", "en", ""], Field(description="In which the text was shown; '' if unknown.")] = ""
    at: AwareDatetime | None = None
    ip: Annotated[str, Field(max_length=45)] = ""


#: A channel to persons; '' takes the wish away.
WishedChannel = Literal["email", "sms", ""]


Region = Annotated[str, Field(max_length=60, description="ISO 3166-2 code or a Bulgarian region's name; '' for none.")]


class SubscriberIn(Body):
    """What is left out stays as it is known."""

    organisation: Slug | None = None
    addresses: Annotated[list[AddressIn], Field(min_length=1, max_length=20)]
    kind: Kind | None = None
    name: Short | None = None
    language: Lang | None = None
    timezone: Annotated[str, Field(max_length=50)] | None = None
    preferred_channel: WishedChannel | None = None
    region: Region | None = None
    attributes: Annotated[dict[str, JsonValue], Field(description="Merged; null removes one.")] | None = None
    topics: list[Slug] = []
    frequency: Annotated[Often | None, Field(description="How often of these topics; left out, as it is.")] = None
    consent: ConsentIn | None = None
    confirm: Annotated[
        bool, Field(description="Have the address confirm it first: an e-mail goes out, and the answer is 202.")
    ] = False


class PendingOut(Schema):
    state: Literal["pending"] = "pending"


class SignUpPatch(Body):
    organisation: Slug | None = None
    refused_domains: Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=2_000)]


class SignUpOut(Schema):
    url: str
    topics_url: str
    #: The HTML of the form for other sites, in each language.
    forms: dict[str, str]
    refused_domains: list[str]


class SubscriberPatch(Body):
    """What is given is the new value; `addresses` and `topics` are whole lists."""

    addresses: Annotated[list[AddressIn], Field(max_length=20)] | None = None
    kind: Kind | None = None
    name: Short | None = None
    language: Lang | None = None
    timezone: Annotated[str, Field(max_length=50)] | None = None
    preferred_channel: WishedChannel | None = None
    region: Region | None = None
    attributes: dict[str, JsonValue] | None = None
    topics: list[Slug] | None = None


RuleIn = Annotated[
    dict[str, JsonValue],
    Field(description="A rule: one of `and`, `or` (lists of rules), `not` (a rule), or a fact with its arguments."),
]


class SegmentIn(Body):
    organisation: Slug | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)]
    where: RuleIn


class SegmentPatch(Body):
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    where: RuleIn | None = None


class SnapshotCall(Body):
    name: Annotated[str, Field(max_length=200, description="'' for the segment's, with the time.")] = ""


SleepDays = Annotated[int, Field(description="60 to 1,095: days in which the person looked at nothing.")]
SleepMessages = Annotated[int, Field(description="3 to 100: messages that they got in them at least.")]
SleepGrace = Annotated[int, Field(description="14 to 180: days for an answer to the question.")]


class SleepRuleIn(Body):
    """A rule for a topic, or without one for the organisation's other topics."""

    organisation: Slug | None = None
    topic: Slug | None = None
    days: SleepDays = 180
    messages: SleepMessages = 5
    grace: SleepGrace = 30
    active: bool = False


class SleepRulePatch(Body):
    days: SleepDays | None = None
    messages: SleepMessages | None = None
    grace: SleepGrace | None = None
    active: bool | None = None


class SegmentPreviewCall(Body):
    organisation: Slug | None = None
    where: RuleIn


Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["22:00"])]


class QuietHoursIn(Body):
    """Times of the person's day, in their zone; over midnight where they begin later than they end."""

    quiet_from: Clock
    quiet_to: Clock


class FrequencyIn(Body):
    """How often the person wants to hear of these topics by these channels; of all that they get where none is named.
    It holds for what is sent from now on."""

    frequency: Often
    topics: list[Slug] = []
    channels: list[ChannelName] = []


class CapIn(Body):
    """At most so many messages to one person in so many days."""

    messages: Annotated[int, Field(ge=1, le=1000)]
    days: Annotated[int, Field(ge=1, le=90)]


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class DigestTimeIn(Body):
    """A time of each reader's day, and the day of the weekly ones."""

    organisation: Slug | None = None
    at: Clock
    weekday: Weekday


class BudgetIn(CapIn):
    organisation: Slug | None = None


class BudgetChoiceIn(Body):
    """The budget to keep within, by its id; null for none."""

    organisation: Slug | None = None
    budget: Annotated[str, Field(max_length=20)] | None


class PauseIn(Body):
    """Until when campaigns leave the person alone: at most a year from now."""

    until: AwareDatetime


class MergeIn(Body):
    """`taken`: what is taken of the other record though both say something, such as `name` or `attributes/city`."""

    other: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
    taken: Annotated[list[Annotated[str, Field(max_length=120)]], Field(max_length=300)] = []


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
    segment: (
        Annotated[str, Field(max_length=20, description="Id of a segment: it narrows the topics' people.")] | None
    ) = None
    exclude_segments: Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=20)] = []


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
    pressing: Annotated[bool, Field(description="It goes at once to those too who chose a digest.")] = False
    recurrence: Unused = None
    window: Unused = None


class ExperimentIn(Body):
    holdout: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    allocation: Literal["even"] | None = "even"


UtmTag = Annotated[str, Field(max_length=100, description="`{channel}` and `{language}` stand for the message's.")]


class UtmIn(Body):
    """Tags that the links' addresses get for the web statistics of the sites they lead to; '' for none."""

    source: UtmTag = ""
    medium: UtmTag = ""
    campaign: UtmTag = ""
    term: UtmTag = ""
    content: UtmTag = ""


AttributionDays = Annotated[
    int, Field(ge=1, le=365, description="Days after its message within which a use of the service counts.")
]


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
    utm: UtmIn = UtmIn()
    attribution_days: AttributionDays = 30
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
    utm: UtmIn | None = None
    attribution_days: AttributionDays | None = None
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


class SignedConversionIn(Body):
    """Who it was: one of the three. The path says of which service."""

    delivery: Annotated[str, Field(max_length=40)] | None = None
    subscriber: Annotated[str, Field(max_length=20)] | None = None
    click_token: Annotated[str, Field(max_length=100)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=40)]
    value: float | None = None
    at: AwareDatetime | None = None


class ConversionIn(SignedConversionIn):
    """Who it was: one of the three."""

    service: Slug


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
    click_parameter: str


class TopicOut(Schema):
    id: str
    slug: str
    organisation: str
    parent: str | None
    position: int
    name: dict[str, str]
    description: dict[str, str]
    feeds: dict[str, str]


class CapOut(Schema):
    topic: str
    messages: int | None
    days: int | None


class DigestTimeOut(Schema):
    at: str
    weekday: Weekday


class ToldOut(Schema):
    campaign: str
    name: str


class DigestRunOut(Schema):
    """`readers` were written to by one channel; `opened` counts people. Receipts: `GET /digests/{id}/deliveries`."""

    id: str
    organisation: str
    state: str
    at: str
    channel: str
    readers: int
    accepted: int
    delivered: int
    opened: int
    told: list[ToldOut]


class DigestRunPage(Schema):
    items: list[DigestRunOut]
    next_cursor: str | None


class BudgetOut(Schema):
    id: str
    organisation: str
    messages: int
    days: int
    joined: bool


class BudgetListOut(Schema):
    items: list[BudgetOut]


class TopicInTree(TopicOut):
    depth: int
    #: Slugs of all below it.
    holds: list[str]


class TreeOut(Schema):
    items: list[TopicInTree]


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
    id: str
    channel: str
    value: str
    state: str


class SubscriptionOut(Schema):
    topic: str
    channel: str
    state: str
    frequency: Often


class SubscriberOut(Schema):
    id: str
    organisation: str
    kind: str
    name: str
    language: str
    timezone: str
    preferred_channel: str | None
    region: str | None
    paused_until: str | None
    quiet_from: str | None
    quiet_to: str | None
    attributes: dict[str, Any]
    addresses: list[AddressOut]
    subscriptions: list[SubscriptionOut]
    created_at: str


class SegmentPreview(Schema):
    """Whom a rule means now. Where `is_exact` is false, `count` is an estimate from a sample of 1 %: with 95 %
    confidence the true number lies within `low` and `high`."""

    words: Names
    count: int
    low: int
    high: int
    is_exact: bool
    sample: list[SubscriberOut]


class SegmentOut(SegmentPreview):
    id: str
    organisation: str
    name: str
    where: dict[str, Any]
    taken_at: Annotated[str | None, Field(description="Of a snapshot: when it was taken.")]
    state: Annotated[str, Field(description="Of a snapshot: `done` once all are listed; then campaigns take it.")]
    share_listed: Annotated[float, Field(description="Of a snapshot: how far it is, 0 to 1.")]
    created_at: str
    changed_at: str


class SleepRuleOut(Schema):
    id: str
    organisation: str
    topic: Annotated[str | None, Field(description="null: the organisation's topics that have no rule of their own.")]
    days: int
    messages: int
    grace: int
    active: bool


class CountOut(Schema):
    count: int
    low: int
    high: int
    is_exact: bool


class SleepQuestionOut(Schema):
    """`fates`: how many people by what became of them, or would if it were decided now; null where a moment does not
    tell."""

    campaign: str
    state: str
    days: int
    messages: int
    grace: int
    due_at: str | None
    decided_at: str | None
    fates: dict[str, int] | None
    sample: Annotated[list[str], Field(description="Ids of some people who would be let go.")]


class SleepRuleSeen(SleepRuleOut):
    """A dry run: whom the rule means now, and what would become of those who were asked. Nothing is changed."""

    topics: list[str]
    subscribed: CountOut
    measured: CountOut
    asleep: CountOut
    sample: list[SubscriberOut]
    questions: list[SleepQuestionOut]


class ImportTermsIn(Schema):
    """On what terms a file is taken in; with `opt_in`, each row needs evidence of its consent, here or in its columns.

    `columns` is JSON: `{"column": "what it is taken for"}`. `known` says what becomes of people known already.
    """

    columns: str = ""
    opt_in: bool = False
    consent_source: str = ""
    consent_at: str = ""
    consent_text_version: str = ""
    known: str = "overwrite"


class ImportOut(Schema):
    id: str
    state: str
    file_name: str
    topic: str
    columns: dict[str, str]
    opt_in: bool
    evidence: dict[str, str]
    known: str
    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    trouble: str
    errors_url: str | None


class ImportUndoOut(Schema):
    id: str
    #: Null before anybody asked for it.
    state: str | None
    why_not: str
    is_exact: bool
    people: int
    removed: int
    kept: int
    gone: int
    ended: int
    subscribed: int
    addresses: int
    restored: int
    newer: int


class ImportColumnOut(Schema):
    name: str
    taken_for: str


class ImportRowOut(Schema):
    """A row as it stands in the file, its cells in the order of `columns`; what cannot be read is one cell."""

    line: int
    cells: list[str]


class ImportProblemOut(ImportRowOut):
    column: str
    reason: str
    message: str


class ImportPreviewOut(Schema):
    """`tried` rows were looked at, `faults` of them cannot be taken; the first of these are `problems`."""

    encoding: str
    delimiter: str
    columns: list[ImportColumnOut]
    rows: list[ImportRowOut]
    problems: list[ImportProblemOut]
    tried: int
    faults: int


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
    segment: str | None
    exclude_segments: list[str]


class ChannelsOut(Schema):
    mode: str
    order: list[str]
    fallback: bool
    fallback_after: int | None


class ScheduleOut(Schema):
    at: str | None
    timezone: str
    not_after: str | None
    pressing: bool


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
    utm: dict[str, str]
    attribution_days: int
    services: list[str]
    created_at: str
    edited_at: str


class ConversionOut(Schema):
    id: str
    name: str
    at: str


class CallSecretOut(Schema):
    """A secret under which a service signs its calls; its text is only in the answer that made it."""

    id: str
    organisation: str
    ending: str
    created_at: str
    last_used_at: str | None
    withdrawn_at: str | None


class MadeCallSecretOut(CallSecretOut):
    secret: str


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
