"""Sending over a bound SMPP session: a window of messages, each as its parts, and the outcome of each.

The last part of a longer message asks for a receipt of its end, each part before it only for one of failure (5.2.17).
So a message that arrives costs one receipt, as one of a single part does, and a part that is lost on the way is heard
of: until a handset has them all it shows nothing, or a gap.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from zlib import crc32

from channels import smpp_link
from channels.base import (
    Account,
    AccountProblem,
    AccountWideFailure,
    ChannelError,
    Message,
    Outcome,
    OutcomeKind,
    OutcomeUnknown,
    PermanentFailure,
    Take,
    UnsupportedContent,
)
from channels.gsm import cut
from channels.senders import SenderKind, digits_of, kind_of
from channels.smpp_answers import GSM7, UCS2, UDHI, refusal
from channels.smpp_link import Broken, Link, Smsc, bind

#: Messages under way at once.
WINDOW: Final = 10
#: Parts that a handset puts together again.
MOST_PARTS: Final = 10
#: `registered_delivery` (5.2.17): a receipt of whatever becomes of it, or only of its failure.
_RECEIPT: Final = 1
_RECEIPT_OF_FAILURE: Final = 2
#: Type and plan of a number, by what it is (5.2.5, 5.2.6).
_TYPES: Final = {SenderKind.NUMBER: (1, 1), SenderKind.SHORT_CODE: (3, 0), SenderKind.NAME: (5, 0)}


@dataclass(kw_only=True)
class _Submission:
    """One message under way: its parts leave one after another, each when the one before was taken."""

    message: Message
    fields: Mapping[str, Any]
    parts: list[bytes]
    #: When its first part left; all of them are answered in time, or the outcome is unknown.
    sent_at: float = 0.0
    #: What the SMSC calls each part that it took.
    ids: list[str] = field(default_factory=list)

    @property
    def taken(self) -> int:
        return len(self.ids)

    @property
    def provider_id(self) -> str:
        """The parts' ids in their order, the last one's last; once where the SMSC has one id for all."""
        return " ".join(dict.fromkeys(id_ for id_ in self.ids if id_))

    def next_fields(self) -> dict[str, Any]:
        """The next `submit_sm`."""
        is_last, is_long = self.taken + 1 == len(self.parts), len(self.parts) > 1
        # The same after a crash, so that a handset does not mix the parts of two tries.
        head = bytes((5, 0, 3, crc32(self.message.id.encode()) & 0xFF, len(self.parts), self.taken + 1))
        return {
            **self.fields,
            "esm_class": UDHI if is_long else 0,
            "registered_delivery": _RECEIPT if is_last else _RECEIPT_OF_FAILURE,
            "short_message": (head if is_long else b"") + self.parts[self.taken],
        }


class SmppSession:
    """A session kept across windows. Once it broke, nothing more is sent in this call: the ledger decides."""

    def __init__(self, account: Account, *, take: Take | None = None) -> None:
        self._account = account
        self._take = take
        self._link: Link | None = None
        self._under_way: dict[int, _Submission] = {}
        self._trouble: ChannelError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up(politely=error is None)

    def send(self, messages: Iterable[Message]) -> Iterator[Outcome]:
        self._trouble = None
        self._look_after_link()
        for message in messages:
            yield from self._begin(message)
            while len(self._under_way) >= WINDOW:
                yield from self._listen()
        while self._under_way:
            yield from self._listen()

    def _look_after_link(self) -> None:
        """Hear what the SMSC said since the last call; a session that ended meanwhile had nothing in hand."""
        if self._link is not None:
            try:
                self._link.read(time.monotonic())
            except Broken:
                self._hang_up()

    def _begin(self, message: Message) -> Iterator[Outcome]:
        try:
            submission = self._prepare(message)
            if self._trouble is not None:
                raise self._trouble
            if self._link is None:
                self._link = self._bind()
        except ChannelError as err:
            if isinstance(err, AccountWideFailure | AccountProblem):
                self._trouble = err
            yield err.outcome(message.id)
        else:
            yield from self._submit(submission)

    def _bind(self) -> Link:
        is_separate = self._account.settings.get("bind") == "separate"
        role = "transmitter" if is_separate else "transceiver"
        return bind(Smsc.of(self._account), take=self._take, role=role)

    def _prepare(self, message: Message) -> _Submission:
        if not message.text.strip():
            raise UnsupportedContent("An SMS needs a text.", reason="unsupported")
        text = cut(message.text)
        if len(text.parts) > MOST_PARTS:
            raise UnsupportedContent(f"The SMS has {len(text.parts)} parts.", reason="unsupported")
        to = digits_of(message.to)
        if not (to.isascii() and to.isdigit() and len(to) <= 15):
            raise PermanentFailure("The recipient is not a phone number.", reason="invalid_address")
        coding = UCS2 if text.encoding == "ucs2" else GSM7
        fields = {"destination_addr": to, "dest_addr_ton": 1, "dest_addr_npi": 1, "data_coding": coding}
        return _Submission(message=message, fields=fields | self._origin(message), parts=list(text.parts))

    def _origin(self, message: Message) -> dict[str, Any]:
        sender = (message.sender or str(self._account.settings.get("sender") or "")).strip()
        kind = kind_of(sender)
        if kind is None:
            raise AccountProblem(
                "The sender is neither a number nor a name of at most 11 letters.", reason="account_problem"
            )
        ton, npi = _TYPES[kind]
        source = sender if kind == SenderKind.NAME else digits_of(sender)
        return {"source_addr": source, "source_addr_ton": ton, "source_addr_npi": npi}

    def _submit(self, submission: _Submission) -> Iterator[Outcome]:
        assert self._link is not None  # noqa: S101 -- who submits has bound
        try:
            sequence = self._link.write("submit_sm", **submission.next_fields())
        except Broken as err:
            self._under_way[-1] = submission
            yield from self._break_off(err)
        else:
            submission.sent_at = submission.sent_at or time.monotonic()
            self._under_way[sequence] = submission

    def _listen(self) -> Iterator[Outcome]:
        """Hear one answer; what is not answered in time, or before the connection broke, may have been taken."""
        assert self._link is not None  # noqa: S101 -- something is under way
        oldest = min(submission.sent_at for submission in self._under_way.values())
        try:
            answer = self._link.read(oldest + smpp_link.ANSWER_SECONDS)
            if answer is None:
                raise Broken("The SMSC did not answer in time.")
        except Broken as err:
            yield from self._break_off(err)
            return
        submission = self._under_way.pop(int(answer.sequence), None)
        if submission is not None:
            yield from self._settle(submission, answer)

    def _settle(self, submission: _Submission, answer: Any) -> Iterator[Outcome]:
        if answer.status or answer.command != "submit_sm_resp":
            yield _refused(submission, refusal(answer.status)).outcome(submission.message.id)
            return
        submission.ids.append((getattr(answer, "message_id", None) or b"").decode("latin-1"))
        if submission.taken < len(submission.parts):
            yield from self._submit(submission)
            return
        yield Outcome(id=submission.message.id, kind=OutcomeKind.ACCEPTED, provider_id=submission.provider_id)

    def _break_off(self, error: Broken) -> Iterator[Outcome]:
        lost, self._under_way = list(self._under_way.values()), {}
        self._trouble = AccountWideFailure(str(error), reason="temporary")
        self._hang_up()
        for submission in lost:
            yield OutcomeUnknown(str(error), reason="no_answer").outcome(submission.message.id)

    def _hang_up(self, *, politely: bool = False) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close(politely=politely)


def _refused(submission: _Submission, error: ChannelError) -> ChannelError:
    """Where parts were taken before one was refused, part of the message is out: sending it again would double it."""
    if not submission.taken:
        return error
    detail = f"{submission.taken} of {len(submission.parts)} parts were taken, then: {error.detail}"
    return OutcomeUnknown(detail, reason="no_answer")
