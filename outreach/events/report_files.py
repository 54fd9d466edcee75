"""The reports that come attached to a mail: taken out of gzip and zip, never larger than a bound."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from email.message import Message
from typing import Final

#: Octets of one report when it is unpacked; the largest seen of large senders have a tenth of it.
LARGEST: Final = 20 * 1024 * 1024
#: Files of one mail, and of one archive, that are looked at.
MOST_FILES: Final = 10
_KINDS: Final = frozenset(
    {
        "application/gzip", "application/x-gzip", "application/zip", "application/x-zip", "application/octet-stream",
        "application/x-zip-compressed", "application/xml", "text/xml", "application/json", "application/tlsrpt+gzip",
        "application/tlsrpt+json",
    }
)  # fmt: skip
_ENDINGS: Final = (".xml", ".json", ".gz", ".zip")
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"


def report_files(message: Message) -> Iterator[bytes]:
    """What the mail has attached that may be a report, unpacked; what is too large or broken is passed over."""
    parts = (part for part in message.walk() if not part.is_multipart() and _may_be_report(part))
    for number, part in enumerate(parts):
        if number == MOST_FILES:
            return
        data = part.get_payload(decode=True)
        if isinstance(data, bytes):
            yield from unpack(data)


def _may_be_report(part: Message) -> bool:
    name = (part.get_filename() or "").lower()
    return part.get_content_type() in _KINDS or name.endswith(_ENDINGS)


def unpack(data: bytes) -> Iterator[bytes]:
    """The file itself, or those in it."""
    if data.startswith(_GZIP):
        unpacked = _gunzip(data)
        if unpacked:
            yield unpacked
    elif data.startswith(_ZIP):
        yield from _unzip(data)
    elif len(data) <= LARGEST:
        yield data


def _gunzip(data: bytes) -> bytes:
    """Empty where it is broken, or larger than it may be: no more than the bound is ever unpacked."""
    reader = zlib.decompressobj(wbits=31)
    try:
        unpacked = reader.decompress(data, LARGEST + 1)
    except zlib.error:
        return b""
    return unpacked if reader.eof and len(unpacked) <= LARGEST else b""


def _unzip(data: bytes) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist()[:MOST_FILES]:
                if entry.filename.lower().endswith((".xml", ".json")):
                    with archive.open(entry) as file:
                        unpacked = file.read(LARGEST + 1)  # what the archive says of its sizes is not believed
                    if len(unpacked) <= LARGEST:
                        yield unpacked
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError):
        return  # RuntimeError: it has a password; NotImplementedError: a packing that nobody uses
