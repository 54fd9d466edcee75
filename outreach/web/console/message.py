"""Step 2, Message: what do they get? A tab a channel, a tab a language, the text beside what a real person reads."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Subscriber, Subscription
from outreach.campaigns.drafts import change_campaign, remove_content, save_content
from outreach.campaigns.models import Campaign, Content
from outreach.campaigns.senders import usable_accounts
from outreach.core.errors import Invalid, NotFound, ReviewFailed, StateConflict
from outreach.core.vocabulary import (
    EDITABLE,
    PERSONAL_CHANNELS,
    PUBLIC_CHANNELS,
    Channel,
    ContentFormat,
    Language,
    Permission,
    Pictures,
    SubscriptionState,
)
from outreach.delivery.latin import template_to_latin
from outreach.delivery.launch import send_test
from outreach.delivery.preview import preview
from outreach.delivery.review import ReviewProblem, review_content
from outreach.web.console.campaigns import campaign_of
from outreach.web.console.forms import ConsoleForm
from outreach.web.console.mail_frame import mail_frame
from outreach.web.console.pictures import offered
from outreach.web.console.visit import Visit, filling, posting

CHANNELS: Final = (*PERSONAL_CHANNELS, *PUBLIC_CHANNELS)
WITH_SUBJECT: Final = frozenset({Channel.EMAIL, Channel.FEED})
RICH: Final = frozenset({Channel.EMAIL, Channel.FEED})
#: People to choose from for the preview.
SAMPLE: Final = 12
#: What the buttons above the text put in: (label, text, only in messages to persons)
INSERTS: Final = (
    (_("Name"), "{{ subscriber.name }}", True),
    (_("An attribute"), "{{ subscriber.attributes.city|default('') }}", True),
    (_("Service"), "{{ service.name }}", False),
    (_("Its address"), "{{ service.url }}", False),
    (_("Where and how"), "{{ service.steps }}", False),
    (_("Only for businesses"), '{% if subscriber.kind == "business" %}…{% endif %}', True),
    (_("Ask: satisfied?"), "{{ ask.satisfied }}", True),
    (_("Ask: would recommend?"), "{{ ask.recommends }}", True),
    (_("Ask for words"), "{{ ask.words }}", True),
    (_("Page of answers"), "{{ feedback_url }}", True),
    (_("Survey"), "{{ survey_url }}", True),
    (_("Preferences"), "{{ preferences_url }}", True),
    (_("Keep writing to me"), "{{ keep_url }}", True),
    (_("Unsubscribe"), "{{ unsubscribe_url }}", True),
    (_("View in the browser"), "{{ view_url }}", True),
)


#: The fields that only an e-mail has.
OF_EMAIL: Final = (
    "preheader",
    "calendar_title",
    "calendar_place",
    "calendar_start",
    "calendar_end",
    "pictures",
)
_CALENDAR: Final = "calendar_"


class _Moment(forms.DateTimeInput):
    input_type = "datetime-local"


class ContentForm(ConsoleForm):
    subject = forms.CharField(label=_("Subject"), max_length=300, required=False)
    body = forms.CharField(label=_("Text"), required=False, widget=forms.Textarea(attrs={"rows": 16}))
    format = forms.ChoiceField(label=_("Written in"), choices=ContentFormat.choices, required=False)
    account = forms.ChoiceField(label=_("Sent through"), required=False)
    preheader = forms.CharField(
        label=_("Preheader"),
        max_length=200,
        required=False,
        help_text=_("What mail programs show beside the subject. Left empty, it is the beginning of the text."),
    )
    calendar_title = forms.CharField(label=_("What takes place"), max_length=200, required=False)
    calendar_place = forms.CharField(label=_("Where"), max_length=300, required=False)
    calendar_start = forms.CharField(label=_("Begins"), required=False, widget=_Moment)
    calendar_end = forms.CharField(label=_("Ends"), required=False, widget=_Moment)
    pictures = forms.ChoiceField(
        label=_("Our own pictures"),
        choices=Pictures.choices,
        required=False,
        help_text=_("Within the e-mail they show at once, but make it larger: at most 500 kB in all."),
    )

    def __init__(self, campaign: Campaign, channel: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if channel not in WITH_SUBJECT:
            del self.fields["subject"]
        if channel not in RICH:
            del self.fields["format"]
        if channel != Channel.EMAIL:
            for name in OF_EMAIL:
                del self.fields[name]
        if channel == Channel.FEED:
            self.fields["format"].choices = [  # type: ignore[attr-defined]
                choice for choice in ContentFormat.choices if choice[0] != ContentFormat.MJML
            ]
        accounts = usable_accounts(campaign.organisation).filter(channel=channel)
        self.fields["account"].choices = [  # type: ignore[attr-defined]
            ("", _("the channel's usual account")),
            *((str(account.pk), account.name) for account in accounts),
        ]

    def content_data(self, channel: str, language: str) -> dict[str, Any]:
        """As the verbs and the API write it."""
        given = self.cleaned_data
        calendar = {name.removeprefix(_CALENDAR): value for name, value in given.items() if name.startswith(_CALENDAR)}
        values = {name: value for name, value in given.items() if value and not name.startswith(_CALENDAR)}
        return {"channel": channel, "language": language, **values, **({"calendar": calendar} if calendar else {})}


@filling(needs=Permission.VIEW)
def message(visit: Visit, key: int, channel: str = "", language: str = "") -> HttpResponse:
    campaign = campaign_of(visit, key)
    contents = list(campaign.contents.all())
    channel, language = _tab(campaign, contents, channel, language)
    content = next((c for c in contents if (c.channel, c.language) == (channel, language)), None)
    wants_latin = visit.is_post and "latin" in visit.request.POST and channel == Channel.SMS
    given = _in_latin(visit.request.POST) if wants_latin else visit.request.POST
    form = ContentForm(campaign, channel, given or None, initial=_initial(content, channel))
    if visit.is_post and form.is_valid() and not wants_latin:
        try:
            save_content(visit.actor, campaign, form.content_data(channel, language))
            visit.tell(_("Saved. What people will read is beside it."))
            return visit.go("message_of", key=campaign.pk, channel=channel, language=language)
        except Invalid as invalid:
            form.take(invalid)
        except StateConflict as conflict:  # somebody scheduled it meanwhile: what was written must not be lost
            form.add_error(None, str(conflict.message))
    people = _sample(visit, campaign, language)
    chosen = _person(visit, visit.request.GET.get("person", "") or (people[0].pk if people else ""))
    return visit.show(
        "campaigns/message.html",
        campaign=campaign,
        step="message",
        form=form,
        content=content,
        written={(c.channel, c.language) for c in contents},
        channels=[(name.value, name.label) for name in CHANNELS],
        languages=Language.choices,
        preferred=[(name, Channel(name).label) for name in campaign.channels if name in PERSONAL_CHANNELS],
        pictures=offered(visit, campaign.organisation, str(form["format"].value() or "")) if channel in RICH else [],
        inserts=[row for row in INSERTS if channel in PERSONAL_CHANNELS or not row[2]],
        people=people,
        person=chosen,
        is_editable=campaign.state in EDITABLE,
        is_in_latin=wants_latin,
        is_testable=channel in PERSONAL_CHANNELS and content is not None,
        **_seen(campaign, channel, language, chosen if content else None, is_written=content is not None),
    )


@posting(needs=Permission.EDIT_CAMPAIGNS)
def message_preview(visit: Visit, key: int, channel: str, language: str) -> HttpResponse:
    """The text in the editor as the chosen person would get it, for htmx; nothing is saved."""
    campaign = campaign_of(visit, key)
    person = _person(visit, visit.request.POST.get("person", ""))
    with transaction.atomic():
        _save_for_now(visit, campaign, channel, language)
        seen = _seen(campaign, channel, language, person, is_written=True)
        transaction.set_rollback(True)
    return visit.show(
        "campaigns/preview.html", campaign=campaign, person=person, is_live=True, form=None, content=True, **seen
    )


@filling(needs=Permission.VIEW)
def message_html(visit: Visit, key: int, channel: str, language: str) -> HttpResponse:
    """The message's own HTML for the frame: as it is saved, or (POST) as it stands in the editor."""
    campaign = campaign_of(visit, key)
    given = visit.request.POST if visit.is_post else visit.request.GET
    person = _person(visit, given.get("person", ""))
    with transaction.atomic():
        if visit.is_post:
            _save_for_now(visit, campaign, channel, language)
        seen = preview(campaign, person, language=language).get(channel)
        transaction.set_rollback(True)
    return mail_frame(visit.request, seen["html"] if seen else "")


@posting(needs=Permission.EDIT_CAMPAIGNS)
def remove(visit: Visit, key: int, channel: str, language: str) -> HttpResponse:
    campaign = campaign_of(visit, key)
    content = campaign.contents.filter(channel=channel, language=language).first()
    if content is None:
        raise NotFound
    remove_content(visit.actor, campaign, content)
    visit.tell(_("This message is taken away."))
    return visit.go("message", key=campaign.pk)


@posting(needs=Permission.EDIT_CAMPAIGNS)
def put_first(visit: Visit, key: int) -> HttpResponse:
    """Prefer a channel: who can be reached by it gets the message there, and nowhere else."""
    campaign = campaign_of(visit, key)
    first = visit.request.POST.get("first", "")
    if first not in campaign.channels:
        raise NotFound
    order = [first, *(channel for channel in campaign.channels if channel != first)]
    change_campaign(visit.actor, campaign, {"channels": {"order": order}})
    visit.tell(_("%(channel)s comes first now.") % {"channel": Channel(first).label})
    return visit.go_back()


@posting(needs=Permission.EDIT_CAMPAIGNS)
def test(visit: Visit, key: int) -> HttpResponse:
    """Send the saved messages of one channel to one address."""
    campaign = campaign_of(visit, key)
    fields = {name: visit.request.POST.get(name, "") for name in ("channel", "value", "language")}
    try:
        send_test(
            visit.actor,
            campaign,
            to=[{"channel": fields["channel"], "value": fields["value"]}],
            language=fields["language"],
        )
        visit.tell(_("A test is on its way to %(address)s.") % {"address": fields["value"]})
    except Invalid as invalid:
        visit.complain(invalid)
    except ReviewFailed as failed:
        first: dict[str, Any] = next(iter(failed.facts.get("problems", [])), {})
        messages.error(visit.request, f"{failed.message} {first.get('message', '')}".strip())
    return visit.go_back()


def _in_latin(given: QueryDict) -> QueryDict:
    """The editor's text in Latin letters, for its author to look over; nothing is saved."""
    latin = given.copy()
    latin["body"] = template_to_latin(given.get("body", ""))
    return latin


def _save_for_now(visit: Visit, campaign: Campaign, channel: str, language: str) -> None:
    """Write the editor's text inside a transaction that is rolled back."""
    form = ContentForm(campaign, channel, visit.request.POST)
    form.is_valid()
    try:
        save_content(visit.actor, campaign, form.content_data(channel, language))
    except Invalid as err:
        raise NotFound from err


def _tab(campaign: Campaign, contents: list[Content], channel: str, language: str) -> tuple[str, str]:
    """The asked tab, else the first message, else an e-mail in the organisation's language."""
    first = contents[0] if contents else None
    channel = channel or (first.channel if first else Channel.EMAIL)
    languages = [content.language for content in contents if content.channel == channel]
    usual = campaign.organisation.language
    language = language or (usual if usual in languages or not languages else languages[0])
    if channel not in CHANNELS or language not in Language.values:
        raise NotFound
    return channel, language


def _seen(
    campaign: Campaign, channel: str, language: str, person: Subscriber | None, *, is_written: bool
) -> dict[str, Any]:
    """What the preview shows: the message as this person gets it, and what is wrong with it."""
    problems: list[ReviewProblem] = []
    seen = None
    if is_written:
        seen = preview(campaign, person, language=language).get(channel)
        problems = review_content(campaign, channel=channel, language=language)
    return {"channel": channel, "language_of_text": language, "seen": seen, "problems_of_text": problems}


def _sample(visit: Visit, campaign: Campaign, language: str) -> list[Subscriber]:
    """Real people of the audience, those who read this language first."""
    wanted = Subscription.objects.filter(
        subscriber=OuterRef("pk"), topic__in=campaign.topics.all(), state=SubscriptionState.SUBSCRIBED
    )
    rows = Subscriber.objects.for_organisation(visit.organisation).filter(Exists(wanted), erased_at=None)
    speaking = list(rows.filter(language=language).order_by("pk")[:SAMPLE])
    return speaking or list(rows.order_by("pk")[:SAMPLE])


def _person(visit: Visit, key: Any) -> Subscriber | None:
    """The chosen person; nobody in particular where none is named."""
    if not str(key).isdecimal():
        return None
    return visit.find(Subscriber.objects.filter(erased_at=None), key)


def _initial(content: Content | None, channel: str) -> dict[str, Any]:
    if content is None:
        return {"format": ContentFormat.MARKDOWN if channel in RICH else ContentFormat.TEXT}
    return {
        "subject": content.subject,
        "body": content.body,
        "format": content.format,
        "account": str(content.account_id or ""),
        "preheader": content.preheader,
        "pictures": content.pictures,
        **{f"{_CALENDAR}{key}": value for key, value in content.calendar.items()},
    }
