"""The words of the product, once: states, reasons, channels, roles, and the sets of them that the code asks about."""

from __future__ import annotations

from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Channel(TextChoices):
    EMAIL = "email", _("E-mail")
    SMS = "sms", _("SMS")
    SOCIAL = "social", _("Social media")
    FEED = "feed", _("Feed")
    PUSH = "push", _("Push")
    WEBHOOK = "webhook", _("Webhook")


#: Channels that carry one message to one person; the others publish one post to everybody who follows.
PERSONAL_CHANNELS: Final = (Channel.EMAIL, Channel.SMS)
PUBLIC_CHANNELS: Final = (Channel.SOCIAL, Channel.FEED)


class Language(TextChoices):
    BULGARIAN = "bg", "Български"
    ENGLISH = "en", "English"


class SubscriberKind(TextChoices):
    CITIZEN = "citizen", _("Citizen")
    BUSINESS = "business", _("Business")
    OFFICIAL = "official", _("Official")
    PARTNER = "partner", _("Partner")


class OrganisationKind(TextChoices):
    COUNCIL = "council", _("Council")
    COORDINATOR = "coordinator", _("Coordinating ministry")
    INFORMATION_COUNCIL = "information_council", _("Information Council")
    MINISTRY = "ministry", _("Ministry")
    REGION = "region", _("Regional administration")
    MUNICIPALITY = "municipality", _("Municipality")
    OTHER = "other", _("Other organisation")


class ApprovalPolicy(TextChoices):
    NONE = "none", _("Nobody else has to approve")
    FOUR_EYES = "four_eyes", _("Somebody other than the last editor approves")


class Role(TextChoices):
    AUTHOR = "author", _("Author")
    APPROVER = "approver", _("Approver")
    PUBLISHER = "publisher", _("Publisher")
    ANALYST = "analyst", _("Analyst")
    ADMINISTRATOR = "administrator", _("Administrator")


class Permission(TextChoices):
    """What a role may do; `core.access` holds the table role -> permissions."""

    VIEW = "view", _("look at everything of the organisation")
    EDIT_CAMPAIGNS = "edit_campaigns", _("write campaigns")
    APPROVE = "approve", _("approve campaigns")
    PUBLISH = "publish", _("schedule, start, pause and cancel campaigns")
    EDIT_AUDIENCE = "edit_audience", _("change subscribers, topics and imports")
    ANSWER = "answer", _("answer people who wrote, and sort what they wrote")
    EDIT_SERVICES = "edit_services", _("change the catalogue of e-services")
    MANAGE_ACCOUNTS = "manage_accounts", _("manage channels and senders")
    MANAGE_ORGANISATION = "manage_organisation", _("manage members and settings")


class Goal(TextChoices):
    """The six stages of the funnel, in order: what a campaign is meant to move people to."""

    KNOWS = "knows", _("Knows")
    UNDERSTANDS = "understands", _("Understands")
    INTERESTED = "interested", _("Is interested")
    USES = "uses", _("Uses")
    SATISFIED = "satisfied", _("Is satisfied")
    RECOMMENDS = "recommends", _("Recommends")


class Question(TextChoices):
    """What a message may ask its reader; the first two are named for the stage that a good answer is evidence of."""

    SATISFIED = "satisfied", _("How satisfied they are")
    RECOMMENDS = "recommends", _("Whether they would recommend it")
    WORDS = "words", _("In their own words")


class SurveyQuestion(TextChoices):
    """What kinds of questions a survey has."""

    SATISFIED = "satisfied", _("Satisfaction, 1 to 5")
    RECOMMENDS = "recommends", _("Would recommend, 0 to 10")
    CHOICE = "choice", _("One of several answers")
    WORDS = "words", _("Their own words")


class EvidenceSource(TextChoices):
    """What tells that somebody reached a stage of the funnel."""

    DELIVERY = "delivery", _("The message arrived")
    OPEN = "open", _("The message was opened")
    CLICK = "click", _("A link was followed")
    REPLY = "reply", _("Somebody wrote back")
    SERVICE = "service", _("The service reported it")
    ANSWER = "answer", _("Somebody answered our question")
    OVERLAP = "overlap", _("Told by several of these: counted once")


class Bearing(TextChoices):
    """What evidence says of a stage."""

    FOR = "for", _("Reached")
    AGAINST = "against", _("Not reached")
    UNCERTAIN = "uncertain", _("Cannot be told")


class ChannelMode(TextChoices):
    ALL = "all", _("Every channel that the person can be reached by")
    PREFERRED = "preferred", _("One channel: the one the person asked for, else the first of the order")


class ContentFormat(TextChoices):
    MARKDOWN = "markdown", "Markdown"
    MJML = "mjml", "MJML"
    HTML = "html", "HTML"
    TEXT = "text", _("Plain text")


class Pictures(TextChoices):
    """How an e-mail's own pictures, those that were uploaded here, reach its reader."""

    HOSTED = "hosted", _("Shown from our address")
    ATTACHED = "attached", _("Sent within the e-mail")


class Tracking(TextChoices):
    AGGREGATE = "aggregate", _("Counted in aggregate, nothing personal kept")
    INDIVIDUAL = "individual", _("Per person, for those who consented to measurement")
    NONE = "none", _("Not counted")


class CampaignState(TextChoices):
    """States of a Campaign and of its Run; who may go where is `campaigns.lifecycle`."""

    DRAFT = "draft", _("Draft")
    SUBMITTED = "submitted", _("Waits for approval")
    APPROVED = "approved", _("Approved")
    SCHEDULED = "scheduled", _("Scheduled")
    RUNNING = "running", _("Running")
    PAUSING = "pausing", _("Pausing")
    PAUSED = "paused", _("Paused")
    HELD = "held", _("Held")
    CANCELLING = "cancelling", _("Cancelling")
    CANCELLED = "cancelled", pgettext_lazy("campaign", "Cancelled")
    FINISHED = "finished", _("Finished")


EDITABLE: Final = frozenset({CampaignState.DRAFT, CampaignState.SUBMITTED, CampaignState.APPROVED})
UNDER_WAY: Final = frozenset(
    {CampaignState.RUNNING, CampaignState.PAUSING, CampaignState.PAUSED, CampaignState.HELD, CampaignState.CANCELLING}
)
ENDED: Final = frozenset({CampaignState.CANCELLED, CampaignState.FINISHED})


class RunKind(TextChoices):
    CAMPAIGN = "campaign", _("Campaign")
    TEST = "test", _("Test send")
    #: Its rows are added one by one, each for somebody else: `delivery.notices`.
    NOTICE = "notice", _("Notice")
    #: What was kept for readers who chose a digest, told in one message: `delivery.digests`.
    DIGEST = "digest", _("Digest")


class LawfulBasis(TextChoices):
    """Why a notice may be sent without consent: GDPR, article 6(1), points b to e.

    Not a: who consented to a topic gets campaigns. Not f: public authorities may not rest their tasks on it.
    """

    CONTRACT = "contract", _("A contract with the person")
    LEGAL_OBLIGATION = "legal_obligation", _("A duty that the law lays on the sender")
    VITAL_INTERESTS = "vital_interests", _("The person's life or safety")
    PUBLIC_TASK = "public_task", _("A task in the public interest")


class Lane(TextChoices):
    """The Celery queue that carries a batch: notices overtake campaigns."""

    NOTICES = "notices", _("Notices")
    CAMPAIGNS = "campaigns", _("Campaigns")


class DeliveryState(TextChoices):
    """Hand-over state, written by delivery alone (see docs/explanation/ledger.md). `sending` is shown, never stored."""

    PLANNED = "planned", _("Planned")
    DEFERRED = "deferred", _("Deferred")
    ACCEPTED = "accepted", _("Accepted")
    REJECTED = "rejected", _("Rejected")
    UNKNOWN = "unknown", _("Unknown")
    SKIPPED = "skipped", _("Skipped")
    HELD_OUT = "held_out", _("Held out")
    CANCELLED = "cancelled", _("Cancelled")


OPEN: Final = frozenset({DeliveryState.PLANNED, DeliveryState.DEFERRED})
CLOSED: Final = frozenset(set(DeliveryState) - OPEN)
HANDED_OVER: Final = frozenset({DeliveryState.ACCEPTED, DeliveryState.REJECTED, DeliveryState.UNKNOWN})


class Reason(TextChoices):
    """Why a delivery is in its state; '' where the state says all."""

    NONE = "", ""
    SUPPRESSED = "suppressed", _("The address is on the suppression list")
    NO_CONSENT = "no_consent", _("No consent for this channel")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed before the message left")
    UNREACHABLE = "unreachable", _("No address on any channel of the campaign")
    PAUSED = "paused", _("The person asked for a pause")
    QUIET_HOURS = "quiet_hours", _("In the person's quiet hours")
    UNCONFIRMED = "unconfirmed", _("The address is not confirmed")
    INVALID_ADDRESS = "invalid_address", _("The address is not valid")
    NO_CONTENT = "no_content", _("There is no message for this channel and language")
    ERASED = "erased", _("The person was erased")
    HOLD_OUT = "hold_out", _("Held out to compare")
    CAPPED = "capped", _("Too many messages in a short time")
    DIGESTED = "digested", _("Kept for the reader's digest")
    EXPIRED = "expired", _("Too late to be of use")
    RUN_CANCELLED = "run_cancelled", _("The campaign was cancelled")
    TEMPORARY = "temporary", _("The provider asked to try later")
    RATE_LIMITED = "rate_limited", _("The provider asked us to slow down")
    REFUSED = "refused", _("The provider refused the message")
    UNKNOWN_RECIPIENT = "unknown_recipient", _("The recipient does not exist")
    POLICY = "policy", _("The provider refused us by its policy")
    UNSUPPORTED = "unsupported", _("The channel cannot carry this message")
    RENDERING = "rendering", _("The message could not be made for this person")
    ACCOUNT_PROBLEM = "account_problem", _("The account does not work")
    TOO_MANY_ATTEMPTS = "too_many_attempts", _("Tried too often")
    LOST_IN_HAND = "lost_in_hand", _("The worker stopped while it was handing the message over")
    NO_ANSWER = "no_answer", _("The provider did not say whether it took the message")


class Receipt(TextChoices):
    """What came later, written by events alone; never overwrites the hand-over state."""

    NONE = "", ""
    DELIVERED = "delivered", _("Delivered")
    BOUNCED = "bounced", _("Bounced")
    COMPLAINED = "complained", _("Complained")
    READ = "read", _("Read")


class BatchState(TextChoices):
    READY = "ready", _("Ready")
    LEASED = "leased", _("Leased")
    PARKED = "parked", _("Parked: it stopped its worker three times")
    DONE = "done", _("Done")


class UnknownPolicy(TextChoices):
    """What becomes of a message that may have been handed over before a crash."""

    RESEND = "resend", _("Send again, flagged (default for e-mail)")
    HOLD = "hold", _("Do not send again (default where it costs money or is public)")


class AccountState(TextChoices):
    ACTIVE = "active", _("Works")
    PAUSED = "paused", _("Paused")


class PriceUnit(TextChoices):
    """What a provider charges for."""

    SEGMENT = "segment", _("Each part of an SMS")
    MESSAGE = "message", _("Each message")


class SleepFate(TextChoices):
    """What became of somebody who was asked whether to go on; `events.sunset` judges in this order."""

    UNDELIVERED = "undelivered", _("Did not get the question")
    LEFT = "left", _("Left by themselves")
    KEPT = "kept", _("Asked to go on")
    AWAKE = "awake", _("Gave another sign")
    ENDED = "ended", _("Gave no sign: written to no more")


class AddressState(TextChoices):
    ACTIVE = "active", _("Active")
    UNCONFIRMED = "unconfirmed", _("Not confirmed")
    BOUNCING = "bouncing", _("Returns messages")
    INVALID = "invalid", _("Not valid")


class AttributeType(TextChoices):
    """What values an attribute that an organisation declared has."""

    TEXT = "text", _("Text")
    NUMBER = "number", _("Number")
    DATE = "date", _("Date")
    YES_NO = "yes_no", _("Yes or no")
    CHOICE = "choice", _("One of several words")


class SubscriptionState(TextChoices):
    SUBSCRIBED = "subscribed", _("Subscribed")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")


class Frequency(TextChoices):
    """How often a reader wants to hear of a topic by a channel."""

    IMMEDIATE = "immediate", _("At once")
    DAILY = "daily", _("Once a day")
    WEEKLY = "weekly", _("Once a week")


#: Days that a digest of the frequency gathers, as `Subscription.frequency` keeps them; None for each message at once.
DIGEST_DAYS: Final[dict[str, int | None]] = {Frequency.IMMEDIATE: None, Frequency.DAILY: 1, Frequency.WEEKLY: 7}


class PauseLength(TextChoices):
    """How long a person asks to be left alone."""

    NONE = "", _("No pause")
    WEEK = "week", _("For a week")
    MONTH = "month", _("For a month")
    DATE = "date", _("Until a day")


class ConsentAction(TextChoices):
    GIVEN = "given", _("Given")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    #: Written by an erasure: names the records that it emptied.
    ERASED = "erased", _("Records of consent erased")


class ConsentPurpose(TextChoices):
    TOPIC = "topic", _("Messages on a topic")
    MEASUREMENT = "measurement", _("Measurement per person")
    #: Of the record that an erasure leaves.
    ERASURE = "erasure", _("Erasure")


class SuppressionReason(TextChoices):
    HARD_BOUNCE = "hard_bounce", _("The address does not exist")
    SOFT_BOUNCES = "soft_bounces", _("Messages came back again and again")
    COMPLAINT = "complaint", _("The person reported our message as unwanted")
    STOP = "stop", _("The person answered STOP")
    ERASED = "erased", _("The person was erased")
    MANUAL = "manual", _("Added by hand")


class SuppressionSource(TextChoices):
    """Who or what put an address on a list of whom not to write to."""

    RETURNED = "returned", _("A message came back")
    PROVIDER = "provider", _("The provider's list")
    PERSON = "person", _("The person")
    STAFF = "staff", _("Somebody of us")
    API = "api", _("Another system")
    LIST = "list", _("A list that was imported")


class ExportForm(TextChoices):
    """What a file of people is written as."""

    CSV = "csv", _("CSV")
    XLSX = "xlsx", _("Excel workbook")
    NDJSON = "ndjson", _("NDJSON, an object a line")


class KnownPeople(TextChoices):
    """What an import does to people who are known already."""

    OVERWRITE = "overwrite", _("What the file says replaces what is known")
    FILL = "fill", _("The file fills in what is not known yet")
    SKIP = "skip", _("They stay as they are, and are not subscribed")


class JobState(TextChoices):
    RECEIVED = "received", _("To be confirmed")
    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class EventKind(TextChoices):
    DELIVERED = "delivered", _("Delivered")
    BOUNCED = "bounced", _("Bounced")
    DELAYED = "delayed", _("Delayed")
    COMPLAINED = "complained", _("Complained")
    OPENED = "opened", _("Opened")
    CLICKED = "clicked", _("Clicked")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
    REPLIED = "replied", _("Replied")
    ANSWERED = "answered", _("Answered a question of ours")
    READ = "read", _("Read")
    CONVERTED = "converted", _("Converted")
    REJECTED = "rejected", _("Refused after acceptance")
    UNKNOWN = "unknown", _("Unknown")


class Verdict(TextChoices):
    HUMAN = "human", _("Human")
    UNCERTAIN = "uncertain", _("Uncertain")
    MACHINE = "machine", _("Machine")


class ReplyKind(TextChoices):
    REPLY = "reply", _("Reply")
    ANSWER = "answer", _("Answer to a question")
    AUTO_REPLY = "auto_reply", _("Automatic reply")
    BOUNCE = "bounce", _("Bounce")
    COMPLAINT = "complaint", _("Complaint")
    STOP = "stop", _("STOP")
    START = "start", _("START")
    HELP = "help", _("HELP")
    JOIN = "join", _("JOIN")
    OTHER = "other", _("Other")


class ConversationState(TextChoices):
    """Whose turn it is in a conversation with one person."""

    WAITING = "waiting", _("Waits for an answer")
    ANSWERED = "answered", _("Has an answer")
    CLOSED = "closed", _("Closed")


class TroubleCause(TextChoices):
    """Why a recipient domain puts our e-mails off, refuses or returns them."""

    AUTHENTICATION = "authentication", _("Our e-mails are not proven to be ours")
    REVERSE_NAME = "reverse_name", _("Our mail server’s address has no proper name")
    BLOCKLIST = "blocklist", _("Our mail server is blocked")
    REPUTATION = "reputation", _("Our domain or mail server has a poor name")
    SPAM = "spam", _("The message is taken for spam")
    COMPLAINTS = "complaints", _("Readers report our messages as unwanted")
    RATE = "rate", _("We send too much at once")
    LATER = "later", _("We are asked to come later")
    SENDER = "sender", _("Our sender address is refused")
    POLICY = "policy", _("A rule of the domain")
    UNREACHABLE = "unreachable", _("Its mail servers cannot be reached")
    FULL = "full", _("Mailboxes are full")
    NOBODY = "nobody", _("Addresses that do not exist")
    SIZE = "size", _("The message is too large")
    OTHER = "other", _("For no reason that we know")


class ReportKind(TextChoices):
    """What receivers report to a domain."""

    DMARC = "dmarc", _("Who sends in the domain's name (DMARC)")
    TLS = "tls", _("Whether mail to the domain was encrypted (TLS-RPT)")


class CounterKind(TextChoices):
    """Dimensions of `delivery.Counter`: what `name` holds."""

    STATE = "state", _("DeliveryState, with its Reason")
    RECEIPT = "receipt", _("Receipt")
    EVENT = "event", _("EventKind, with its Verdict as the reason")
    LINK = "link", _("clicks of people on the link of position `name`")
    NAMED = "named", _("events of the kind `name` by people of whom it is known which message was theirs")
    READER = "reader", _("messages with an event of the kind `name` by a person, as far as it is known whose they are")
    MOMENT = "moment", _("EventKind (the reason) by people in the minute or, after a day, hour `name`, UTC")
    MINUTE = "minute", _("messages accepted in the minute `name`, UTC, YYYY-MM-DDTHH:MM")
    STAGE = "stage", _("people who, by evidence, are at a stage: `STAGE:SOURCE`, with its Bearing as the reason")
    FALLBACK = "fallback", _("rows that stand in for another: they are no member's first")


class ApprovalDecision(TextChoices):
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
