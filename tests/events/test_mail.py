"""Real messages with known answers, where this machine has them, and the few that must never be taken wrongly."""

from __future__ import annotations

import base64
import json
import quopri
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outreach.events.letters import parse, returned_headers
from outreach.events.mail import inspect

AUTO = ("rfc3834",)


def labels(contracts: Path, name: str) -> list[dict[str, Any]]:
    found = json.loads((contracts / "email-samples" / f"{name}.labels.json").read_text())
    return [label for label in found if label.get("expected")]


def expected_kind(label: dict[str, Any]) -> str:
    if label["source"] != "sisimai":
        return "bounce"
    reason = label["expected"][0]["reason"]
    return {"feedback": "complaint", "vacation": "auto_reply"}.get(reason, "bounce")


def test_accuracy_on_bounces(contracts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong: list[str] = []
    kinds = hards = recipients = statuses = reasons = total = sisimai = flufl = 0
    for label in labels(contracts, "bounces"):
        found = inspect((contracts / "email-samples" / label["file"]).read_bytes())
        name, expected = label["file"].rpartition("/")[2], label["expected"]
        total += 1
        kinds += found["kind"] == expected_kind(label)
        if found["kind"] != expected_kind(label):
            wrong.append(f"{name}: {found['kind']}")
        if label["source"] == "sisimai":
            sisimai += 1
            hard = any(each["hard"] for each in expected)
            hards += bool(found["hard"]) == hard
            statuses += found["status"] == expected[0]["dsn"]
            reasons += found["reason"] in {each["reason"] for each in expected}
            if bool(found["hard"]) != hard or found["reason"] not in {each["reason"] for each in expected}:
                wrong.append(f"{name}: {found['hard']} {found['status']} {found['reason']} instead of {expected}")
        else:
            flufl += 1
            recipients += sorted(found["recipients"]) == sorted(expected["failed_recipients"])
            if sorted(found["recipients"]) != sorted(expected["failed_recipients"]):
                wrong.append(f"{name}: {found['recipients']} instead of {expected['failed_recipients']}")
    with capsys.disabled():
        print(
            f"\nbounces: kind {kinds}/{total}, hard {hards}/{sisimai}, recipients {recipients}/{flufl}, "
            f"status {statuses}/{sisimai}, reason {reasons}/{sisimai}"
        )
    assert kinds / total >= 0.97, "\n" + "\n".join(wrong)
    assert hards / sisimai >= 0.95, "\n" + "\n".join(wrong)
    assert recipients / flufl >= 0.97, "\n" + "\n".join(wrong)


def test_accuracy_on_replies(contracts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong: list[str] = []
    known = labels(contracts, "replies")
    for label in known:
        found = inspect((contracts / "email-samples" / label["file"]).read_bytes())
        loose = label["expected"].get("reply_ignoring_whitespace")
        wanted = loose or label["expected"]["reply"]
        said = found["text"]
        if (re.sub(r"\s+", "", said) != re.sub(r"\s+", "", wanted)) if loose else said.strip() != wanted.strip():
            wrong.append(f"{label['file']}: {said[:300]!r}")
    with capsys.disabled():
        print(f"\nreplies: {len(known) - len(wrong)}/{len(known)}")
    assert len(wrong) / len(known) <= 0.1, "\n" + "\n".join(wrong)


#: As Postfix writes them for an address in Cyrillic (RFC 6533).
GLOBAL_STATUS = """Reporting-MTA: dns; mx.example.bg
X-Postfix-Sender: rfc822; новини@example.bg

Final-Recipient: utf-8; ана@example.bg
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 Няма такъв човек
"""
GLOBAL_HEADERS = (
    "From: новини@example.bg\nMessage-ID: <ours@example.bg>\nContent-Type: multipart/alternative; boundary=x\n"
)


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_internationalised_reports_are_read_whatever_their_encoding(encoding: str) -> None:
    encoders: dict[str, Callable[[bytes], bytes]] = {
        "8bit": bytes,
        "base64": base64.encodebytes,
        "quoted-printable": quopri.encodestring,
    }
    encode = encoders[encoding]
    parts = {"global-delivery-status": GLOBAL_STATUS, "global-headers": GLOBAL_HEADERS}
    bodies = [
        f"--b\nContent-Type: message/{kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + encode(text.encode())
        for kind, text in parts.items()
    ]
    head = b'From: MAILER-DAEMON@mx.example.bg\nContent-Type: multipart/report; report-type=x; boundary="b"\n\n'
    content = head + b"\n".join([b"--b\n\nIt came back.\n", *bodies, b"--b--\n"])
    returned = returned_headers(parse(content))

    assert inspect(content) == {
        "kind": "bounce", "recipients": ["ана@example.bg"], "hard": True, "status": "5.1.1", "reason": "userunknown",
        "text": "",
    }  # fmt: skip
    assert returned is not None
    assert returned["Message-ID"] == "<ours@example.bg>"
