"""Step 4, Review: may it go? The exact sentence, a tick or a problem a section, the buttons that the state allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from outreach.audience.rule_words import meant_in_words
from outreach.audience.rules import read_rules
from outreach.campaigns.approval import OWN_WORK, approve, is_approved, needs_approval, reject, submit
from outreach.campaigns.lifecycle import Verb, allowed
from outreach.campaigns.models import Campaign
from outreach.core import clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.vocabulary import PERSONAL_CHANNELS, Channel, ChannelMode, Goal, Language, Permission, Reason
from outreach.delivery.cost import SAMPLE
from outreach.delivery.launch import cancel, pause, resume, schedule, start, unschedule
from outreach.delivery.review import Review, ReviewProblem, review
from outreach.web.console.campaigns import campaign_of
from outreach.web.console.visit import Visit, posting, visiting
from outreach.web.formats import number, zoned

#: Sections of the page in order: key, heading, the review's sections in it, the step that mends them.
SECTIONS: Final = (
    ("aim", _("Aim and audience"), frozenset({"aim", "audience"}), "aim"),
    ("message", _("Message"), frozenset({"message"}), "message"),
    ("holdout", _("Comparison"), frozenset({"holdout"}), "aim"),
    ("when", _("Time"), frozenset({"when"}), "when"),
    ("senders", _("Senders"), frozenset({"senders"}), "accounts"),
)


@dataclass(frozen=True, kw_only=True)
class Section:
    """One line of "May it go?"."""

    heading: str
    text: str
    problems: list[ReviewProblem]
    href: str

    @property
    def tone(self) -> str:
        if any(problem.severity == "error" for problem in self.problems):
            return "bad"
        return "warn" if self.problems else "good"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the visitor may do next, and why not more: pure, from the state, the roles and the review."""

    #: `mend`, `submit`, `approve`, `schedule`, `start`, `watch` or '' where it is somebody else's turn.
    primary: str
    sentence: str
    #: Other verbs that are possible.
    others: tuple[str, ...] = ()


@visiting()
def review_page(visit: Visit, key: int) -> HttpResponse:
    campaign = campaign_of(visit, key)
    seen = review(campaign)
    sections = _sections(campaign, seen)
    return visit.show(
        "campaigns/review.html",
        campaign=campaign,
        step="review",
        seen=seen,
        sample=SAMPLE,
        messages_of=_messages_of(seen),
        reasons=[(reason, Reason(reason).label, count) for reason, count in seen.unsent.items()],
        sections=sections,
        channel_names=dict(Channel.choices),
        language_names=dict(Language.choices),
        mend=next((section for section in sections if section.tone == "bad"), None),
        decision=decide(campaign, visit.actor, seen),
        approvals=campaign.approvals.select_related("user", "token").order_by("-pk")[:6],
        needs_approval=needs_approval(campaign),
        email=campaign.contents.filter(channel=Channel.EMAIL).order_by("language").first(),
        is_approved=is_approved(campaign),
    )


def decide(campaign: Campaign, actor: Actor, seen: Review) -> Decision:
    """The one next step on this page."""
    verbs = set(allowed(campaign.state))
    may_publish = actor.may(Permission.PUBLISH)
    if Verb.START not in verbs:
        return Decision(primary="watch", sentence=translate("This campaign has begun."))
    if Verb.UNSCHEDULE in verbs:
        others = ("unschedule", "start", "cancel") if may_publish else ()
        return Decision(primary="", sentence=translate("It starts by itself."), others=others)
    if not seen.may_go:
        count = sum(problem.severity == "error" for problem in seen.problems)
        sentence = ngettext("%(n)s problem stops the campaign.", "%(n)s problems stop the campaign.", count)
        return Decision(primary="mend", sentence=sentence % {"n": count})
    if needs_approval(campaign) and not is_approved(campaign):
        return _decide_approval(campaign, actor, verbs)
    if not may_publish:
        return Decision(primary="", sentence=translate("It may go. A publisher starts it."))
    if campaign.starts_at and campaign.starts_at > clock.now():
        return Decision(primary="schedule", sentence=translate("It may go."), others=("start",))
    return Decision(primary="start", sentence=translate("It may go."))


def _decide_approval(campaign: Campaign, actor: Actor, verbs: set[Verb]) -> Decision:
    if Verb.APPROVE not in verbs:
        if not actor.may(Permission.EDIT_CAMPAIGNS):
            return Decision(primary="", sentence=translate("Its author has to ask for approval."))
        return Decision(primary="submit", sentence=translate("Somebody else has to approve it before it goes."))
    if not actor.may(Permission.APPROVE):
        return Decision(primary="", sentence=translate("It waits for somebody to approve it."))
    if actor.is_same_person(campaign.edited_by, campaign.edited_by_token):
        return Decision(primary="", sentence=str(OWN_WORK))
    return Decision(primary="approve", sentence=translate("Approve exactly this version?"), others=("reject",))


#: Button -> the verb, what is said when it is done, and the page that follows.
VERBS: Final[dict[str, tuple[Callable[[Actor, Campaign], Any], Any, str]]] = {
    "submit": (submit, _("Approval is asked for."), "review"),
    "approve": (approve, _("Approved: exactly this version may go."), "review"),
    "schedule": (schedule, _("It is scheduled and starts by itself."), "review"),
    "unschedule": (unschedule, _("It is off the schedule and can be changed."), "review"),
    "start": (start, _("It has started."), "running"),
    "pause": (pause, _("Nothing more leaves until you let it go on."), "running"),
    "resume": (resume, _("It goes on."), "running"),
    "cancel": (cancel, _("It is being cancelled; what is in hand settles first."), "campaign"),
}


@posting(needs=Permission.VIEW)
def do(visit: Visit, key: int, verb: str) -> HttpResponse:
    """One button of a campaign; the verb checks role, state, review and approval."""
    campaign = campaign_of(visit, key)
    act, sentence, page = VERBS[verb]
    try:
        act(visit.actor, campaign)
        visit.tell(sentence)
    except Invalid as invalid:
        visit.complain(invalid)
        return visit.go("when", key=campaign.pk)
    return visit.go(page, key=campaign.pk)


@posting(needs=Permission.APPROVE)
def send_back(visit: Visit, key: int) -> HttpResponse:
    campaign = campaign_of(visit, key)
    reject(visit.actor, campaign, note=visit.request.POST.get("note", "").strip()[:2000])
    visit.tell(_("It is with its author again."))
    return visit.go("review", key=campaign.pk)


#: Channel -> "1 e-mail", "12,403 e-mails".
COUNTED: Final[dict[str, Callable[[int], str]]] = {
    Channel.EMAIL: lambda n: ngettext("%(n)s e-mail", "%(n)s e-mails", n),
    Channel.SMS: lambda n: ngettext("%(n)s SMS", "%(n)s SMS", n),
    Channel.SOCIAL: lambda n: ngettext("%(n)s public post", "%(n)s public posts", n),
    Channel.FEED: lambda n: ngettext("%(n)s entry in feeds", "%(n)s entries in feeds", n),
}


def _messages_of(seen: Review) -> list[tuple[str, str]]:
    """(channel, "12,403 e-mails") for the sentence."""
    return [(channel, COUNTED[channel](count) % {"n": number(count)}) for channel, count in seen.recipients.items()]


def _sections(campaign: Campaign, seen: Review) -> list[Section]:
    texts = {"aim": _aim_text, "message": _message_text, "holdout": _holdout_text, "when": _when_text}
    return [
        Section(
            heading=str(heading),
            text=texts.get(name, _senders_text)(campaign, seen),
            problems=[problem for problem in seen.problems if problem.section in sections],
            href=reverse("console:accounts" if page == "accounts" else f"console:{page}", kwargs=_key(campaign, page)),
        )
        for name, heading, sections, page in SECTIONS
    ]


def _key(campaign: Campaign, page: str) -> dict[str, int]:
    return {} if page == "accounts" else {"key": campaign.pk}


def _aim_text(campaign: Campaign, _seen: Review) -> str:
    topics = ", ".join(str(topic) for topic in campaign.topics.all()) or translate("no topic")
    facts = {"goal": Goal(campaign.goal).label, "topics": topics}
    said = translate("Goal: %(goal)s. Audience: %(topics)s.") % facts
    days = campaign.attribution_days
    counts = ngettext("A use counts within %(n)s day.", "A use counts within %(n)s days.", days) % {"n": days}
    return " ".join(filter(None, [said, _meant(campaign), counts if campaign.services.exists() else ""]))


def _meant(campaign: Campaign) -> str:
    """Whom of the topics' people the segments mean, in words."""
    excluded = [segment.where for segment in campaign.excluded_segments.all()]
    wanted = [campaign.segment.where] if campaign.segment else []
    known = read_rules([*wanted, *excluded], campaign.organisation)
    return meant_in_words(known[: len(wanted)], known[len(wanted) :])


def _message_text(campaign: Campaign, _seen: Review) -> str:
    written: dict[str, list[str]] = {}
    for content in campaign.contents.all():
        written.setdefault(content.channel, []).append(content.get_language_display())
    return "; ".join(f"{Channel(channel).label}: {', '.join(found)}" for channel, found in written.items())


def _holdout_text(_campaign: Campaign, seen: Review) -> str:
    if not seen.held_out:
        return translate("Nobody is held out: the report will show what happened, not what would have happened anyway.")
    return translate("About %(count)s people get nothing, to compare.") % {"count": seen.held_out}


def _when_text(campaign: Campaign, _seen: Review) -> str:
    if campaign.starts_at is None:
        return translate("It starts when somebody presses Start.")
    return zoned(campaign.starts_at)


def _senders_text(campaign: Campaign, _seen: Review) -> str:
    """The channels, and where each person gets one of them, how it is chosen and what follows a failure."""
    channels = ", ".join(str(Channel(channel).label) for channel in campaign.channels)
    personal = [str(Channel(channel).label) for channel in campaign.channels if channel in PERSONAL_CHANNELS]
    if campaign.channel_mode != ChannelMode.PREFERRED or len(personal) < 2:
        return channels
    said = [
        translate("Each person gets it by one channel: the one they asked for, else the first that reaches them."),
        _follows(campaign),
    ]
    return " ".join([f"{channels}.", *said])


def _follows(campaign: Campaign) -> str:
    if not campaign.fallback:
        return translate("A message that fails is not tried on another channel.")
    if campaign.fallback_after is None:
        return translate("A message that fails or comes back goes on by the next channel.")
    sentence = translate(
        "A message that fails, or has no receipt after %(minutes)s minutes, goes on by the next channel."
    )
    return sentence % {"minutes": number(campaign.fallback_after)}
