"""Whatever a stranger writes, reading it takes no longer than in proportion: twice the text, about twice the time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from email.message import Message
from typing import Final

import pytest

from outreach.core.vocabulary import Question
from outreach.events.answer_words import read_answer
from outreach.events.bounces import read_bounce
from outreach.events.inbound import understand
from outreach.events.keywords import asks_to_stop, is_cyrillic, topic_asked_for
from outreach.events.letters import decode_header_text, parse, recipients_of, sender_of
from outreach.events.matching import read_message_id
from outreach.events.quoting import strip_quotes
from outreach.events.quoting_html import text_of_html
from outreach.events.sns import read_notification
from outreach.events.tongue import language_of
from outreach.events.trouble_causes import cause_of, without_names
from outreach.events.verdict import judge_agent

LENGTH: Final = 8_000
#: Seconds within which nobody asks how it grows, and those that no text of this length may take.
QUICK, TOO_LONG = 0.05, 1.5


def as_bounce(text: str) -> object:
    message = Message()
    message["From"], message["Subject"] = "MAILER-DAEMON@x.bg", "Undeliverable"
    return read_bounce(message, text)


def as_header(name: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        content = f"{name}: {text.replace(chr(10), ' ').replace(chr(13), ' ')}\r\n\r\nx".encode()
        return understand(parse(content), content), sender_of(parse(content)), recipients_of(parse(content))

    return read


READERS: Final[dict[str, Callable[[str], object]]] = {
    "bounce": as_bounce,
    "html": text_of_html,
    "quotes": strip_quotes,
    "cause": cause_of,
    "names": without_names,
    "keyword": lambda text: asks_to_stop(text, text),
    "topic": topic_asked_for,
    "cyrillic": is_cyrillic,
    "language": language_of,
    "answer": lambda text: read_answer(text, list(Question)),
    "header text": decode_header_text,
    "notification": read_notification,
    "message id": read_message_id,
    "agent": judge_agent,
    **{f"header {name}": as_header(name) for name in ("Subject", "From", "To", "Date", "Message-ID", "References")},
}
#: What patterns are made of; alone, and in pairs.
PIECES: Final = (
    "a", "1", " ", "\n", "\t", ">", "<", "@", "-", ".", ",", ":", "(", "\"", "[", "=", "Ж", "_", "?", "\r\n", "{", "\\",
    "a1", "a@", "@a", "a.", "a@b.bg ", "<a@b.bg>", "> ", ">\n", "-- \n", "--\n", "On a wrote", "On 1 a wrote:\n",
    "On a <a@b.bg> wrote: ", "На 1.1 написа:", "писа", "From: ", "From: a\n", "Sent: ", "To:\n", "Original Message",
    "-----", "_____", "<div>", "<blockquote>", "</div>", "<p>\n", "<http://a", "[https://", "=?utf-8?q?a?= ", "=?",
    "сметка", "ящик", "адрес", "domaine", "domäne", "exceed ", "quota ", "mailbox ", "user ", "recipient ", "address ",
    "sender ", "message ", "a1b2c", "12", "5.1.", "5.7.1", "550 ", "received:", "return-path:", "reason:", "a1\t",
    "warning: not ", "delivery ", "stop ", "join ", "моля ", "please ", "Re: ", "re[1]", "отг:", "auto",
    "e.g. a", "contact a",
    '{"notificationType"', "{\"a\":", "[[", "this message ", "Sent from ", "rcpt to:", "deliver a to ", "to a ",
)  # fmt: skip
MIXED: Final = [first + second for first, second in itertools.product(PIECES[:22:3], PIECES[22::7])]


def seconds(read: Callable[[str], object], text: str) -> float:
    begun = time.process_time()
    read(text)
    return time.process_time() - begun


def filled(piece: str, length: int, *, begin: str = "") -> str:
    return (begin + piece * (length // len(piece) + 1))[:length]


def too_slow(read: Callable[[str], object], piece: str, begin: str) -> str:
    """What is wrong, in words; measured again where it looks so, for other work on the machine only adds to it."""
    whole = filled(piece, LENGTH, begin=begin)
    took = grows = 0.0
    for _ in range(3):
        took = seconds(read, whole)
        grows = took / max(seconds(read, whole[: LENGTH // 2]), QUICK / 10) if took > QUICK else 0.0
        if grows < 3:
            return ""
    return f"{begin + piece!r}: {took:.3f} s, {grows:.1f} times that of half"


@pytest.mark.parametrize("name", READERS)
def test_twice_the_text_takes_about_twice_the_time(name: str) -> None:
    read = READERS[name]
    read("warm")
    slow = [too_slow(read, piece, begin) for begin, pieces in (("", PIECES), ("a1 ", MIXED)) for piece in pieces]
    assert [each for each in slow if each] == []


#: What cost the square or cube of its length before.
BEFORE: Final[list[tuple[str, str]]] = [
    ("cause", "сметка"), ("cause", "ящик"), ("cause", "domaine"), ("bounce", "reason\t"), ("bounce", "\n"),
    ("names", "Ж"), ("names", "11ЖЖ"), ("names", "a1"), ("names", "1a"), ("quotes", "\n\nx"), ("quotes", "<http://"),
    ("header Subject", "\t"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "piece"), BEFORE)
def test_no_text_takes_long(name: str, piece: str) -> None:
    for begin in ("", piece.strip() or "a"):
        assert seconds(READERS[name], filled(piece, LENGTH, begin=begin)) < TOO_LONG


def test_the_longest_text_of_short_paragraphs_is_read_in_proportion() -> None:
    short, long = (seconds(strip_quotes, "\n\nx" * times) for times in (8_000, 64_000))
    assert long < 20 * max(short, QUICK)
