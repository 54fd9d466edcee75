"""The part of an answer that its author wrote: without what is quoted below it, and without the signature."""

from __future__ import annotations

import re
from typing import Final

from outreach.events import quoting_words as words

#: Longest text that is looked at.
LONGEST: Final = 200_000
#: Lines that may make up one folded introduction.
_FOLDED: Final = 5
#: Characters of an introduction.
_INTRODUCTION: Final = 400
#: Characters of its end, in which it says that somebody wrote.
_ENDING: Final = 100
#: Lines of a signature; of one that begins as it should.
_SIGNATURE: Final = 15
_MARKED_SIGNATURE: Final = 40
#: Numbers in a date and a time together: a day, an hour, minutes.
_MOMENT: Final = 3
#: Shortest quoted line that a program may have broken in two, leaving the second half without its sign.
_LONG: Final = 60
#: Shortest disclaimer.
_DISCLAIMER: Final = 40

#: Signs that nobody sees: by which mail programs turn the direction of writing, or begin what is quoted.
_UNSEEN: Final = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_QUOTED: Final = re.compile(r"^\s*>")
_NUMBER: Final = re.compile(r"\d+")
_ASKS: Final = re.compile(r"\?(?:\s|$)")
_TIME: Final = re.compile(r"(?<![\d.])\d{1,2}\s?[:.h]\s?\d\d(?!\d|\.\d)")


def strip_quotes(text: str) -> str:
    """The author's own words; '' where there are none."""
    lines = _UNSEEN.sub("", text[:LONGEST]).replace("\r\n", "\n").replace("\r", "\n").strip().split("\n")
    lines = lines[: _find_quotation(lines)]
    lines = _drop_quoted(lines)
    lines = lines[: _find_end(lines)]
    return "\n".join(line.rstrip() for line in lines).strip()


def _find_quotation(lines: list[str]) -> int:
    """Where what is quoted below begins; the number of lines where nothing is."""
    last = _last_answer(lines)
    return next((number for number in range(len(lines)) if _begins_quotation(lines, number, last)), len(lines))


def _begins_quotation(lines: list[str], number: int, last: int) -> bool:
    """Whether all that follows is quoted: of what is marked as quoted, if there is no answer further below."""
    if not lines[number].strip(" \t>"):
        return False
    is_free = number > last or not _QUOTED.match(lines[number])
    if _is_divider(lines, number) or _is_block_of_headers(lines, number):
        return is_free or _is_quoted_head(lines, number)
    if words.WROTE_THIS.match(lines[number]):
        return is_free
    count = _introduction(lines, number)
    return bool(count) and (number > last or not _is_above_quoted(lines, number + count))


def _last_answer(lines: list[str]) -> int:
    """The last line that its author wrote beneath something quoted; -1 for none."""
    quoted = [number for number, line in enumerate(lines) if _QUOTED.match(line)]
    if not quoted:
        return -1
    below = lines[quoted[-1] + 1 :]
    end = quoted[-1] + 1 + _find_end(below, first=0)
    own = (number for number in range(end - 1, quoted[0], -1) if lines[number].strip())
    return next((number for number in own if not _QUOTED.match(lines[number]) and not _is_rest(lines, number)), -1)


def _is_rest(lines: list[str], number: int) -> bool:
    """Whether a program broke a quoted line in two, and this is its second half."""
    above = lines[number - 1].rstrip()
    return bool(_QUOTED.match(above)) and len(above) > _LONG and above[-1] not in ".?!:;>"


def _is_above_quoted(lines: list[str], number: int) -> bool:
    """Whether what comes next is marked as quoted."""
    following = (line for line in lines[number : number + _FOLDED] if line.strip())
    return bool(_QUOTED.match(next(following, "")))


def _introduction(lines: list[str], number: int) -> int:
    """Of how many lines 'On ... wrote:' is that begins here; 0 for none."""
    for count in range(1, _FOLDED):
        piece = [line.strip("> \t") for line in lines[number : number + count]]
        if len(piece) < count or not piece[-1]:
            return 0
        joined = " ".join(piece)[:_INTRODUCTION]
        if joined[-1] in ":：-" or words.QUOTES_FROM.match(joined):
            is_marked = _is_above_quoted(lines, number + count)
            is_one = _is_introduction(joined, is_marked=is_marked, is_first=not number)
            if is_one and (count == 1 or _is_folded(lines, number, piece)):
                return count
    return 0


def _is_introduction(line: str, *, is_marked: bool, is_first: bool) -> bool:
    """Whether a program introduces what follows: it tells when or by whom, unless what follows is marked as quoted.

    Both where nothing stands above it: a person's words would be lost else, all of them.
    """
    is_named, is_dated = bool(words.ADDRESS.search(line)), _is_dated(line)
    if not is_marked:
        is_timed = is_dated and bool(_TIME.search(line))
        is_told = is_named and is_dated if is_first else is_named or is_timed
        if not is_told or words.SENTENCE.search(line) or words.OF_A_PERSON.search(line[-_ENDING:]):
            return False
    if is_dated and _TIME.search(line) and words.SIGN_OF_NAME.search(line):
        return True
    if words.SAYS_WROTE.search(line[-_ENDING:]) or words.QUOTES_FROM.match(line) or words.WROTE_BEFORE.search(line):
        return True
    return is_marked and bool(words.NAMED.search(line))


def _is_dated(line: str) -> bool:
    """Whether it tells a day and a time; a person's sentence seldom does."""
    return len(_NUMBER.findall(words.ADDRESS.sub("", line))) >= _MOMENT


def _is_folded(lines: list[str], number: int, piece: list[str]) -> bool:
    """Whether all of these lines are one introduction, and none of them a sentence above it."""
    joined = " ".join(piece)
    if any(words.OPENS_IN_WORDS.match(line) or _is_dated(line) for line in piece[1:]):
        return False
    is_apart = not number or not lines[number - 1].strip()
    return _is_dated(joined) and (bool(words.OPENS.match(joined)) or is_apart)


def _is_divider(lines: list[str], number: int) -> bool:
    if words.DIVIDER.match(lines[number]):
        return True
    head = [line for line in lines[number + 1 : number + 7] if line.strip()]
    return bool(words.DASHED.match(lines[number]) and head) and (
        bool(words.HEADER.match(head[0])) and any("@" in line for line in head)
    )


def _is_block_of_headers(lines: list[str], number: int) -> bool:
    """Outlook's From, Sent, To, Subject, one under another or all on one line."""
    if not words.HEADER.match(lines[number]):
        return False
    window = [line for line in lines[number : number + 7] if line.strip()][:5]
    named = {found[1].lower(): line for line in window if (found := words.HEADER.match(line))}
    within = {found[1].lower() for found in words.HEADER_WITHIN.finditer(lines[number][:2000])}
    names, told = (within, lines[number]) if len(within) >= 3 else (set(named), "\n".join(named.values()))
    if not any(words.FROM.fullmatch(name) for name in names):
        return False
    is_dated = any(words.SENT.fullmatch(name) for name in names) and bool(words.OF_A_PROGRAM.search(told))
    return (is_dated and len(names) >= 3) or ("@" in told and len(names) >= 4)


def _is_quoted_head(lines: list[str], number: int) -> bool:
    """Whether of what follows the headers alone are marked as quoted, and the message below them is not."""
    quoted = [line for line in lines[number + 1 :] if _QUOTED.match(line)]
    return all(words.HEADER.match(line) or not line.strip(" \t>") for line in quoted)


def _drop_quoted(lines: list[str]) -> list[str]:
    """Without quoted lines, the second halves of broken ones, and the introduction directly above them."""
    kept: list[str] = []
    until, is_seam = 0, False
    for number, line in enumerate(lines):
        count = _introduction(lines, number) if number >= until and line.strip() else 0
        if count and _is_above_quoted(lines, number + count):
            until = number + count
        if number < until or _QUOTED.match(line) or (number and line.strip() and _is_rest(lines, number)):
            is_seam = True
        elif line.strip() or not is_seam or "".join(kept[-1:]).strip():
            kept.append(line)
            is_seam = is_seam and not line.strip()
    return kept


def _find_end(lines: list[str], first: int | None = None) -> int:
    """Where the signature begins, or a disclaimer.

    Never a rule at the first line with words, nor a disclaimer: somebody may begin so; `first` tells where that is.
    """
    if first is None:
        first = next((number for number, line in enumerate(lines) if line.strip()), 0) + 1
    for number in range(len(lines)):
        if lines[number].strip() and (_is_signature(lines, number, first) or _is_disclaimer(lines, number, first)):
            return number
    return len(lines)


def _is_signature(lines: list[str], number: int, first: int) -> bool:
    line = words.ADDRESS_OF_A_PAGE.sub("", lines[number].rstrip("\u00a0"))
    length = len(lines) - number
    if length > _MARKED_SIGNATURE or (length > _SIGNATURE and not words.DELIMITER.match(line)):
        return False
    following = [each.rstrip() for each in lines[number + 1 :]]
    if words.DELIMITER.match(line):
        return length <= _SIGNATURE or line == "-- " or all(len(each) <= _LONG for each in following)
    if words.SENT_FROM.match(line):
        return number >= first or not any(following)
    is_rule = number >= first and bool(words.RULE.match(line)) and not _is_underline(lines, number)
    return is_rule and not any(each.endswith("?") for each in following)


def _is_underline(lines: list[str], number: int) -> bool:
    """Whether a rule underlines a heading: it is as long, or there is more than one."""
    heading, rule = lines[number - 1].strip(), lines[number].strip()
    if heading and rule[0] in "-=" and abs(len(heading) - len(rule)) <= 1:
        return True
    rules = (n for n in range(1, len(lines) - 1) if words.RULE.match(lines[n]))
    return sum(_stands_between(lines, n) for n in rules) > 1


def _stands_between(lines: list[str], number: int) -> bool:
    """Whether the line above is the first of its paragraph, and more follows."""
    before, above, below = ("".join(lines[n : n + 1]).strip() for n in (number - 2, number - 1, number + 1))
    return bool(above and below) and (number < 2 or not before)


def _is_disclaimer(lines: list[str], number: int, first: int) -> bool:
    """A disclaimer is a paragraph of its own, and asks nothing."""
    if number < first or (number and lines[number - 1].strip() and not words.RULE.match(lines[number - 1])):
        return False
    paragraph = " ".join(lines[number : number + 6])
    return len(paragraph) >= _DISCLAIMER and bool(words.DISCLAIMER.match(paragraph)) and not _ASKS.search(paragraph)
