"""The adapter contract: what a channel takes, what it answers, and the few errors it may raise.

Plain Python: no Django, no Celery, nothing of outreach. An adapter turns `Message`s into provider calls and provider
call-backs into `ProviderEvent`s. It never retries, sleeps, fails over, or looks anything up: the ledger decides.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self, runtime_checkable


class OutcomeKind(StrEnum):
    """What became of one message. Unknown is a kind of its own: never taken for safe to retry."""

    ACCEPTED = "accepted"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    ACCOUNT = "account"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


class EventWord(StrEnum):
    """The one vocabulary of provider events; a provider's word we do not know becomes UNKNOWN, never an error."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DELAYED = "delayed"
    REJECTED = "rejected"
    COMPLAINED = "complained"
    OPENED = "opened"
    CLICKED = "clicked"
    UNSUBSCRIBED = "unsubscribed"
    RESUBSCRIBED = "resubscribed"
    READ = "read"
    REPLIED = "replied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One entry of an account's form; the console draws the form and the API checks the settings from it."""

    #: Key in the account's settings.
    name: str
    #: English label; the console translates it.
    label: str
    #: Encrypted at rest, never shown again.
    secret: bool = False
    required: bool = True
    default: str = ""
    #: `text`, `number`, `email`, `url`, `phone`, `choice` or `pem` (a key of several lines).
    kind: str = "text"
    choices: tuple[str, ...] = ()
    #: One sentence for the person who fills it in.
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a channel can carry; checked at review, so that nothing is found out at sending."""

    #: Most messages in hand at once: 1 for public posts, at most 10 for paid channels, 100 and more for SMTP.
    window: int
    #: `resend` or `hold`: what to do after a crash with a message that may have been handed over.
    unknown_policy: str
    subject: bool = False
    html: bool = False
    #: Carries what goes with an e-mail's text: a calendar entry, pictures that its HTML shows.
    files: bool = False
    #: Longest text in characters; 0 means no limit that loses messages.
    max_length: int = 0
    inbound: bool = False
    receipts: bool = False
    #: A message may answer another one (`Message.in_reply_to`).
    threads: bool = False
    #: A message costs money.
    paid: bool = False
    #: A post for everybody, not a message to one person.
    public: bool = False
    #: Longest that one call of `Session.send` may need for one message, seconds.
    timeout: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """What goes with an e-mail beside its texts: a calendar entry, or a picture that its HTML shows."""

    #: File name, plain ASCII.
    name: str
    #: With its parameters, e.g. `text/calendar; charset=utf-8; method=PUBLISH`.
    media_type: str
    data: bytes
    #: The HTML shows it as `cid:...`; '' for a file that is attached.
    content_id: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Form:
    """The texts that all messages of one content share: pieces as they stand, and numbers of a message's values.

    Two are the same where they are one object.
    """

    subject: tuple[str | int, ...]
    text: tuple[str | int, ...]
    html: tuple[str | int, ...] = ()

    def fill(self, values: Sequence[str]) -> tuple[str, str, str]:
        """Subject, text and HTML with these values."""
        subject, text, html = (
            "".join([piece if isinstance(piece, str) else values[piece] for piece in pieces])
            for pieces in (self.subject, self.text, self.html)
        )
        return subject, text, html


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message to one recipient, rendered."""

    #: The delivery's public id, unique; given back in the Outcome.
    id: str
    #: Address on the channel: e-mail, E.164 number, or '' for a public post.
    to: str
    text: str
    subject: str = ""
    html: str = ""
    #: Sender as the content or account says, e.g. `Name <news@example.org>`; '' for the account's default.
    sender: str = ""
    #: Deterministic, so that a message sent twice after a crash carries the same one. Without angle brackets.
    message_id: str = ""
    reply_to: str = ""
    #: BCP 47 tag of the content.
    language: str = ""
    #: Extra e-mail headers in order (List-Unsubscribe ...); values are unencoded text without CR or LF.
    headers: tuple[tuple[str, str], ...] = ()
    #: What goes with the texts; the same for everybody who gets this content.
    parts: tuple[Part, ...] = ()
    #: A whole ready RFC 5322 message (bytes, CRLF, not dot-stuffed), where the renderer built one for SMTP.
    raw: bytes = b""
    #: Whether its maker knows that no line of `raw` begins with a dot: then SMTP need not look for any.
    is_dotless: bool = False
    #: Where the provider should report to, with an unguessable part; '' where nobody listens.
    callback_url: str = ""
    #: Id of the post that this one answers, on channels with threads.
    in_reply_to: str = ""
    #: What its texts share with others, for providers that take that once; filled with `values` it gives them.
    form: Form | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the provider said of one message."""

    #: `Message.id`.
    id: str
    kind: OutcomeKind
    #: What the provider calls it; where it left in parts, each part's id, a space between, the one that counts last.
    provider_id: str = ""
    #: A word of the ledger's Reason vocabulary where one fits (`unknown_recipient`, `policy`, `rate_limited` ...).
    reason: str = ""
    #: The provider's own words and code, redacted, at most 500 characters.
    detail: str = ""
    #: Seconds the provider asked us to wait.
    retry_after: float | None = None
    #: When a TEMPORARY outcome concerns the whole account or the recipient's domain rather than this message.
    scope: str = "message"

    @classmethod
    def accepted(cls, id: str, provider_id: str) -> Self:
        """That the provider took the message: what is said of nearly all, so no other field is touched."""
        outcome = object.__new__(cls)
        outcome.__dict__.update(id=id, kind=OutcomeKind.ACCEPTED, provider_id=provider_id)
        return outcome


@dataclass(frozen=True, kw_only=True)
class Account:
    """An adapter's credentials and settings, decrypted, as plain data."""

    id: str
    adapter: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: Networks that outgoing requests may reach though private (CIDR); the sandbox's own ports are in it.
    allow_private: tuple[str, ...] = ()
    #: DNS servers that `check` may ask: `system`, or a list of HOST or HOST:PORT; '' to ask nobody.
    resolver: str = ""


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A provider's call-back as it came in: verified before it is parsed."""

    #: `events`, `inbound` or `status`.
    kind: str
    #: The public URL that was called, as the provider signed it.
    url: str
    body: bytes
    #: Lower-case names.
    headers: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ProviderEvent:
    """One thing a provider told us, in our words, beside its own."""

    word: EventWord
    #: The provider's id of this event: the key of idempotency. Never empty; made from the content where there is none.
    event_id: str
    #: `Message.id` where the provider gives it back, else ''.
    message: str = ""
    provider_id: str = ""
    at: datetime | None = None
    #: For bounces: True hard, False soft, None not known.
    hard: bool | None = None
    reason: str = ""
    #: Recipient (events) or sender (inbound).
    address: str = ""
    url: str = ""
    user_agent: str = ""
    #: The provider's own flag that a machine did it.
    machine: bool | None = None
    #: Text of an inbound message.
    text: str = ""
    subject: str = ""
    #: Message-ID or post id that an inbound message answers.
    in_reply_to: str = ""
    #: Whether the provider itself confirmed an inbound STOP, START or HELP.
    answered: bool = False
    #: A whole inbound RFC 5322 message, where the provider hands one on.
    mime: bytes = b""
    #: The provider's event as it came, for replay.
    raw: Mapping[str, Any] = field(default_factory=dict)


def made_id(content: bytes) -> str:
    """The id of an event that its provider gives none: of what it says, so that told again it is the same."""
    return f"made:{sha256(content).hexdigest()[:32]}"


def unreadable(content: bytes) -> ProviderEvent:
    """What a provider told, proven to be the provider's, and nobody can read."""
    raw = {"unreadable": content[:500].decode("utf-8", "replace")}
    return ProviderEvent(word=EventWord.UNKNOWN, event_id=made_id(content), reason="unreadable", raw=raw)


@dataclass(frozen=True, kw_only=True)
class Record:
    """A DNS record to publish."""

    #: The full name, without the dot at its end.
    name: str
    #: `TXT`, `MX`, `A`, `AAAA` or `PTR`.
    kind: str
    value: str

    def __str__(self) -> str:
        return (
            f'{self.name} {self.kind} "{self.value}"' if self.kind == "TXT" else f"{self.name} {self.kind} {self.value}"
        )


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A finding of `check`, in words a manager understands, with the remedy."""

    #: `error` stops sending or makes receivers refuse all, `warning` does not; `note` is nothing wrong, but something
    #: to do elsewhere; `good` is in order.
    severity: str
    code: str
    message: str
    remedy: str = ""
    #: What stands for each `%(name)s` in message and remedy; where there are none, a `%` in them is a `%`.
    values: Mapping[str, str] = field(default_factory=dict)
    #: The Field it concerns, or ''.
    field: str = ""
    #: What to publish, where that is the remedy.
    record: Record | None = None


class ChannelError(Exception):
    """Something went wrong between us and a provider."""

    kind: ClassVar[OutcomeKind]

    def __init__(
        self, detail: str = "", *, reason: str = "", retry_after: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(detail or self.__doc__)
        self.detail = detail
        self.reason = reason
        self.retry_after = retry_after
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.detail, self.reason, self.retry_after, self.status)

    def outcome(self, message_id: str) -> Outcome:
        """The Outcome that this error means for one message."""
        return Outcome(
            id=message_id, kind=self.kind, reason=self.reason, detail=self.detail[:500], retry_after=self.retry_after
        )


def _rebuild(
    cls: type[ChannelError], detail: str, reason: str, retry_after: float | None, status: int | None
) -> ChannelError:
    return cls(detail, reason=reason, retry_after=retry_after, status=status)


class TemporaryFailure(ChannelError):
    """The provider asked to try later, and did not take the message."""

    kind = OutcomeKind.TEMPORARY


class AccountWideFailure(TemporaryFailure):
    """The provider could not be reached or asked us to slow down; it concerns every message of the account."""

    def outcome(self, message_id: str) -> Outcome:
        return replace(super().outcome(message_id), scope="account")


class PermanentFailure(ChannelError):
    """The provider refused the message for good."""

    kind = OutcomeKind.PERMANENT


class AccountProblem(ChannelError):
    """The account does not work: credentials, quota, sender not allowed. Nothing was sent."""

    kind = OutcomeKind.ACCOUNT


class UnsupportedContent(ChannelError):
    """The channel cannot carry this message."""

    kind = OutcomeKind.UNSUPPORTED


class OutcomeUnknown(ChannelError):
    """The bytes left and no answer came: the message may have been taken."""

    kind = OutcomeKind.UNKNOWN


class ForgedHook(Exception):
    """The call-back's signature is not the provider's."""


class Session(Protocol):
    """Open connections to one provider for one account; a context manager, kept across windows."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def send(self, messages: Iterable[Message]) -> Iterator[Outcome]:
        """Hand over lazily; yield one Outcome a message in any order, as each becomes known.

        A message that was never pulled from `messages` was not handed over. Raises nothing for a message's sake:
        every error is an Outcome. Never retries: one message, one request.
        """
        ...


class Adapter(Protocol):
    """One provider. Stateless; everything it needs comes in the Account."""

    name: ClassVar[str]
    #: The channel it serves: `email`, `sms`, `social`, `feed`.
    kind: ClassVar[str]
    #: What people call it.
    label: ClassVar[str]
    can: ClassVar[Capabilities]
    account_fields: ClassVar[tuple[Field, ...]]

    def open(self, account: Account) -> Session: ...

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        """Verify the signature, then parse.

        Raises:
            ForgedHook: the signature is missing or wrong; nothing was parsed.
        """
        ...

    def check(self, account: Account) -> list[Problem]:
        """Look for what would stop sending; sends nothing."""
        ...


@runtime_checkable
class Inbound(Protocol):
    """What an adapter has besides where replies are fetched rather than called back; optional."""

    def fetch_replies(self, account: Account, since_id: str) -> list[ProviderEvent]:
        """What came in after the event `since_id` (`ProviderEvent.provider_id`; '' at first), oldest first.

        Raises:
            ChannelError: the provider did not answer, or refused us.
        """
        ...


@runtime_checkable
class Strict(Protocol):
    """What an adapter has besides where a setting can be wrong in ways that its Field cannot tell; optional."""

    def find_faults(self, settings: Mapping[str, Any], kept: Container[str]) -> list[Problem]:
        """What is wrong with these settings, each with its `field`; asks nobody. `kept` names secrets that stay."""
        ...


@runtime_checkable
class Suppressing(Protocol):
    """What an adapter has besides where its provider keeps a list of its own of whom not to write to; optional."""

    def fetch_suppressed(self, account: Account, since: datetime | None) -> Iterator[ProviderEvent]:
        """Who came on the list since then, by address: BOUNCED, COMPLAINED or UNSUBSCRIBED.

        Raises:
            ChannelError: the provider did not answer, or refused us.
        """
        ...

    def suppress(self, account: Account, addresses: Sequence[str]) -> None:
        """Put addresses on the list; done twice, it does no harm.

        Raises:
            ChannelError: the provider did not answer, or refused us.
        """
        ...


#: Keeps events for good; answers False where it could not, and then the provider is told to come again.
Take = Callable[[Sequence[ProviderEvent]], bool]


@runtime_checkable
class Receiving(Protocol):
    """What an adapter has besides where what comes back comes over a connection of ours, not by a call; optional."""

    def open_listening(self, account: Account, take: Take) -> Session:
        """As `open`; what comes in while it sends goes to `take`, and is confirmed to the provider once it is kept."""
        ...

    def receive(self, account: Account, take: Take, *, seconds: float) -> int:
        """Listen until all that waits has come, at most `seconds`; return how many events were handed to `take`.

        Raises:
            ChannelError: the provider cannot be reached, or refuses us.
        """
        ...
