"""What an SMSC says, in our words: the statuses of SMPP 3.4 (5.1.3), receipts (appendix B) and inbound messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from smpplib import consts

from channels.base import (
    AccountProblem,
    AccountWideFailure,
    ChannelError,
    EventWord,
    PermanentFailure,
    ProviderEvent,
    TemporaryFailure,
    UnsupportedContent,
)
from channels.gsm import decode_gsm

GSM7: Final = 0
UCS2: Final = 8
#: Bits of `esm_class`: the text begins with a header; the message is a receipt, of the end or on the way (5.2.12).
UDHI: Final = 0x40
_RECEIPT: Final = 0x04 | 0x08 | 0x10 | 0x20

#: Every status but zero says that the message was not taken. One that is not here is the operator's own word.
_REFUSALS: Final[Mapping[int, tuple[type[ChannelError], str]]] = {
    consts.SMPP_ESME_RINVMSGLEN: (UnsupportedContent, "unsupported"),
    consts.SMPP_ESME_RINVBNDSTS: (AccountWideFailure, "temporary"),
    consts.SMPP_ESME_RALYBND: (AccountWideFailure, "temporary"),
    consts.SMPP_ESME_RSYSERR: (TemporaryFailure, "temporary"),
    consts.SMPP_ESME_RINVSRCADR: (AccountProblem, "account_problem"),
    consts.SMPP_ESME_RINVDSTADR: (PermanentFailure, "invalid_address"),
    # Some SMSCs say so of a second bind while they keep the first: no reason to pause the account.
    consts.SMPP_ESME_RBINDFAIL: (AccountWideFailure, "temporary"),
    consts.SMPP_ESME_RINVPASWD: (AccountProblem, "account_problem"),
    consts.SMPP_ESME_RINVSYSID: (AccountProblem, "account_problem"),
    consts.SMPP_ESME_RMSGQFUL: (AccountWideFailure, "rate_limited"),
    consts.SMPP_ESME_RINVSERTYP: (AccountProblem, "account_problem"),
    consts.SMPP_ESME_RINVESMCLASS: (UnsupportedContent, "unsupported"),
    consts.SMPP_ESME_RINVSRCTON: (AccountProblem, "account_problem"),
    consts.SMPP_ESME_RINVSRCNPI: (AccountProblem, "account_problem"),
    consts.SMPP_ESME_RINVDSTTON: (PermanentFailure, "invalid_address"),
    consts.SMPP_ESME_RINVDSTNPI: (PermanentFailure, "invalid_address"),
    consts.SMPP_ESME_RINVSYSTYP: (AccountProblem, "account_problem"),
    consts.SMPP_ESME_RTHROTTLED: (AccountWideFailure, "rate_limited"),
    consts.SMPP_ESME_RX_T_APPN: (TemporaryFailure, "temporary"),
}

#: `stat` of a receipt: our word, whether it is for good, and why.
_STATES: Final[Mapping[str, tuple[EventWord, bool | None, str]]] = {
    "ENROUTE": (EventWord.ACCEPTED, None, ""),
    "ACCEPTD": (EventWord.ACCEPTED, None, ""),
    "DELIVRD": (EventWord.DELIVERED, None, ""),
    "EXPIRED": (EventWord.BOUNCED, False, "expired"),
    "UNDELIV": (EventWord.BOUNCED, None, "refused"),
    "DELETED": (EventWord.REJECTED, None, "refused"),
    "REJECTD": (EventWord.REJECTED, None, "policy"),
}
#: `message_state` (5.2.28), where a receipt has it.
_NUMBERED: Final = ("", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
_ID: Final = re.compile(r"\bid:\s*([^\s]+)", re.I)
_STAT: Final = re.compile(r"\bstat:\s*([A-Za-z]+)", re.I)
_ERR: Final = re.compile(r"\berr:\s*([0-9A-Za-z]+)", re.I)


def refusal(status: int) -> ChannelError:
    """The error that a status other than zero means."""
    kind, reason = _REFUSALS.get(status, (PermanentFailure, "refused"))
    words = consts.DESCRIPTIONS.get(status, "The operator's own status")
    return kind(f"0x{status:08X}: {words}", reason=reason, status=status)


def read_delivered(pdu: Any, *, ids: str) -> ProviderEvent:
    """A `deliver_sm` as an event: a receipt, or what somebody wrote. `ids` says how receipts write our ids."""
    address, octets = _text(pdu.source_addr), pdu.short_message or getattr(pdu, "message_payload", None) or b""
    if pdu.esm_class & _RECEIPT:
        return _read_receipt(pdu, octets.decode("latin-1"), address=address, ids=ids)
    head = octets[0] + 1 if pdu.esm_class & UDHI and octets else 0
    raw = {"from": address, "to": _text(pdu.destination_addr), "data_coding": pdu.data_coding}
    # SMPP gives inbound messages no id; the same STOP said twice is said twice, so that nothing is taken for a repeat.
    return ProviderEvent(
        word=EventWord.REPLIED,
        event_id=uuid4().hex,
        address=_international(address, pdu.source_addr_ton),
        text=_decode(octets[head:], pdu.data_coding),
        raw=raw | ({"part": octets[head - 1], "of": octets[head - 2]} if head >= 6 else {}),
    )


def _read_receipt(pdu: Any, text: str, *, address: str, ids: str) -> ProviderEvent:
    said, stat, err = _ID.search(text), _STAT.search(text), _ERR.search(text)
    provider_id = _as_answered(_text(getattr(pdu, "receipted_message_id", None)) or (said[1] if said else ""), ids)
    numbered = getattr(pdu, "message_state", None) or 0
    state = stat[1].upper()[:7] if stat else _NUMBERED[numbered] if numbered < len(_NUMBERED) else ""
    word, hard, reason = _STATES.get(state, (EventWord.UNKNOWN, None, ""))
    return ProviderEvent(
        word=word,
        event_id=f"{provider_id}:{state}" if provider_id else uuid4().hex,
        provider_id=provider_id,
        hard=hard,
        reason=reason,
        address=_international(address, pdu.source_addr_ton),
        raw={"from": address, "stat": state, "err": err[1] if err else "", "id": provider_id},
    )


def _as_answered(provider_id: str, ids: str) -> str:
    """The id as the answer to `submit_sm` wrote it: some operators' receipts have it in another base."""
    try:
        if ids == "decimal":
            return f"{int(provider_id):x}"
        if ids == "hexadecimal":
            return str(int(provider_id, 16))
    except ValueError:
        return provider_id
    return provider_id


def _international(address: str, ton: int) -> str:
    is_number = address.isdigit() and len(address) > 8 and ton != consts.SMPP_TON_NATNL
    return f"+{address}" if is_number and not address.startswith("0") else address


def _decode(octets: bytes, coding: int) -> str:
    if coding == UCS2:
        return octets.decode("utf-16-be", "replace")
    return octets.decode("latin-1") if coding in (1, 3) else decode_gsm(octets)


def _text(octets: bytes | None) -> str:
    return (octets or b"").decode("latin-1").strip("\0 ")
