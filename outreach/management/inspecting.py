"""`outreach inspect mail|feed`: what the product makes of an inbound message or an outside feed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from outreach.events.mail import inspect as inspect_mail
from outreach.feeds.reading import inspect_feed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True)
    mail = kinds.add_parser("mail", help="inbound e-mail messages (RFC 5322), one file each")
    mail.add_argument("files", nargs="+", type=Path, metavar="FILE")
    feed = kinds.add_parser("feed", help="an outside feed")
    feed.add_argument("place", metavar="FILE_OR_URL")
    for each in (mail, feed):
        each.add_argument("--json", action="store_true", help="a line of JSON each")


def handle(args: argparse.Namespace) -> int:
    return _inspect_mail(args.files, as_json=args.json) if args.kind == "mail" else _inspect_feed(args)


def _inspect_mail(files: list[Path], *, as_json: bool) -> int:
    unread = 0
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            print(f"{path}: {error.strerror}", file=sys.stderr)
            unread += 1
            continue
        found = {"file": str(path), **inspect_mail(content)}
        print(json.dumps(found, ensure_ascii=False) if as_json else _in_words(found))
    return 1 if unread else 0


def _in_words(found: dict[str, Any]) -> str:
    hard = {True: ", hard", False: ", soft", None: ""}[found["hard"]]
    facts = [f"{found['file']}: {found['kind']}{hard}", *found["recipients"], found["reason"], found["text"]]
    return "\n    ".join(fact for fact in facts if fact)


def _inspect_feed(args: argparse.Namespace) -> int:
    found = inspect_feed(args.place)
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        print(f"{found['title'] or '(no title)'} {found['language']}".rstrip())
        for entry in found["entries"]:
            print(f"  {entry['published'] or '-':25}  {entry['title']}  {entry['link']}")
        for problem in found["problems"]:
            print(f"  problem: {problem}")
    return 0 if found["entries"] or not found["problems"] else 1
