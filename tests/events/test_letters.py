"""What mail servers and mail programs write, after how they are known to: each letter beside what it must be taken for.

`letters/*.txt` hold them: a line `=== NAME | expected ...`, then the letter.
"""

from __future__ import annotations

import pytest

from outreach.events.mail import inspect
from outreach.events.quoting import strip_quotes
from tests.events.composed import FOLDER, letters


@pytest.mark.parametrize(
    ("who", "lasts", "reason", "letter"),
    [pytest.param(*row[1:], id=row[0]) for row in letters("returned.txt")],
)
def test_what_a_server_returns_names_who_did_not_get_it(who: str, lasts: str, reason: str, letter: str) -> None:
    found = inspect(letter.encode())
    assert (found["kind"], sorted(found["recipients"])) == ("bounce", sorted(who.split()))
    assert not lasts or found["hard"] is (lasts == "hard")
    assert not reason or found["reason"] == reason


def sayings() -> list[list[str]]:
    """Whether it is for good, and a server's words of a recipient."""
    lines = (FOLDER / "said.txt").read_text().splitlines()
    return [line.split(" | ", 1) for line in lines if not line.startswith("#")]


#: A standard report with these words, and a letter of a server that knows none.
REPORT = """From: MAILER-DAEMON@mx.example
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b

Your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ivan@firma.bg
Action: failed
Diagnostic-Code: smtp; {words}
--b--
"""
BARE = """From: MAILER-DAEMON@mx.example
Subject: Undelivered

Your message could not be delivered.

<ivan@firma.bg>: {words}
"""


@pytest.mark.parametrize("form", [REPORT, BARE], ids=["report", "bare"])
def test_what_a_server_says_tells_whether_it_is_for_good(form: str) -> None:
    wrong = [
        (lasts, words, found["recipients"], found["reason"])
        for lasts, words in sayings()
        if (found := inspect(form.format(words=words).encode()))["recipients"] != ["ivan@firma.bg"]
        or found["hard"] is not (lasts == "hard")
    ]
    assert wrong == []


@pytest.mark.parametrize(("kind", "letter"), [pytest.param(*row[1:], id=row[0]) for row in letters("not_returned.txt")])
def test_what_people_and_their_programs_write_is_not_taken_for_returned(kind: str, letter: str) -> None:
    assert inspect(letter.encode())["kind"] == kind


@pytest.mark.parametrize("letter", [pytest.param(row[-1], id=row[0]) for row in letters("quoting.txt")])
def test_the_authors_own_words_are_left(letter: str) -> None:
    own, _, whole = letter.partition("\n=======\n")
    assert strip_quotes(whole) == own


@pytest.mark.parametrize("letter", [pytest.param(row[-1], id=row[0]) for row in letters("quoting_html.txt")])
def test_the_authors_own_words_are_left_of_html(letter: str) -> None:
    own, _, source = letter.partition("\n=======\n")
    head = "From: ivan@firma.bg\nSubject: Re: News\nContent-Type: text/html; charset=utf-8\n\n"
    assert inspect((head + source).encode())["text"] == own


def test_a_subject_in_bare_letters_of_an_old_code_page_is_read() -> None:
    head = "From: MAILER-DAEMON@mail.bg\nSubject: Недоставено съобщение\n\n".encode("windows-1251")
    assert inspect(head + b"<ivan@mail.bg>\n")["kind"] == "bounce"
