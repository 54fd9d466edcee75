"""The hash of a consent from the line of PostgreSQL's COPY that it is: what `commitment.leaf_of` makes, for less.

No value becomes a Python object and text again. A line whose spelling has to be undone first is left to `leaf_of`.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Final

from outreach.audience.commitment import COLUMNS
from outreach.audience.merkle import leaf_hash

#: Lines of consents, in no order.
LINES: Final = f"COPY (SELECT {COLUMNS} FROM outreach_consent c WHERE c.id = ANY(%(ids)s)) TO STDOUT"  # noqa: S608 -- ours
_NULL: Final = "\\N"
_NO_TOPIC: Final = "\t\\N\t"
_UTC: Final = "+00"


def leaf_of_line(line: str) -> tuple[int, bytes | None]:
    """The consent's id and hash; None for the hash where the line does not say it plainly, or the row is emptied."""
    number, salt, person, purpose, topic, channel, action, source, version, language, at, recorded_at, evidence = (
        line.rstrip("\n").split("\t")
    )
    if salt == _NULL or ("\\" in line and "\\" in line.replace(_NO_TOPIC, "")):
        return int(number), None
    text = (
        f'{{"consent":{number},"subscriber":{person}{_said("purpose", purpose)}{_said("action", action)}'
        f"{_topic(topic)}{_said('channel', channel)}{_said('source', source)}"
        f'{_said("text_version", version)}{_said("language", language)},"at":"{_moment(at)}"'
        f',"recorded_at":"{_moment(recorded_at)}","evidence":{evidence}}}'
    )
    return int(number), leaf_hash(bytes.fromhex(salt.replace("-", "")) + text.encode())


def _said(name: str, value: str) -> str:
    return f',"{name}":{encode_basestring(value)}' if value else ""


def _topic(number: str) -> str:
    return "" if number == _NULL else f',"topic":{number}'


def _moment(text: str) -> str:
    """`2026-05-01 10:30:00.5+00` as ISO writes it; what is spelt in another way gets a hash that fits nothing."""
    whole, _dot, part = text.removesuffix(_UTC).partition(".")
    return f"{whole[:10]}T{whole[11:]}{f'.{part:0<6}' if part else ''}+00:00"
