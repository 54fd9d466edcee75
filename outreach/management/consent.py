"""`outreach consent`: where the chain of consents stands; `--check` proves it against every row."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

from django.utils.translation import gettext as _

from outreach.audience.chain_check import ChainCheck, check_chain, check_roots
from outreach.audience.consent_chain import ConsentBlock
from outreach.core.errors import Invalid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="exit 0 only if every sealed consent is as it was sealed")
    parser.add_argument(
        "--root", action="append", default=[], metavar="HEX", help="with --check: a published root that must be in it"
    )
    parser.add_argument("--json", action="store_true")


def handle(args: argparse.Namespace) -> int:
    if not args.check and not args.root:
        print(_standing(as_json=args.json))
        return 0
    roots = [_root(text) for text in args.root]
    found = check_chain(_tell_progress() if sys.stderr.isatty() else lambda _share: None)
    check_roots(found, roots)
    print(json.dumps(found.as_json()) if args.json else _in_words(found))
    return 0 if found.holds else 1


def _root(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as err:
        raise Invalid({"root": [_("A root is written in hexadecimal.")]}) from err


def _standing(*, as_json: bool) -> str:
    last = ConsentBlock.objects.order_by("-number").only("number", "root", "sealed_at").first()
    number, root = (last.number, bytes(last.root).hex()) if last else (0, "")
    at = last.sealed_at.isoformat() if last else None
    if as_json:
        return json.dumps({"blocks": number, "root": root, "sealed_at": at})
    if last is None:
        return _("No consent is sealed yet.")
    return _("Blocks: %(blocks)s. The last was sealed at %(at)s; its root: %(root)s") % {
        "blocks": f"{number:,}",
        "at": at,
        "root": root,
    }


def _tell_progress() -> Callable[[float], None]:
    told = 0.0

    def tell(share: float) -> None:
        nonlocal told
        if time.monotonic() - told >= 1 or share == 1:
            told = time.monotonic()
            done = _("%(percent)s %% of the chain is read") % {"percent": f"{100 * share:.1f}"}
            print(f"\r{done}", end="\n" if share == 1 else "", flush=True, file=sys.stderr)

    return tell


def _in_words(found: ChainCheck) -> str:
    lines = [
        _("Consents sealed: %(consents)s, in blocks: %(blocks)s; of these erased since: %(erased)s.")
        % {"consents": f"{found.consents:,}", "blocks": f"{found.blocks:,}", "erased": f"{found.erased:,}"},
        _("Waiting for the next block: %(waiting)s.") % {"waiting": f"{found.waiting:,}"},
        _("Root of the last block: %(root)s") % {"root": found.root or "-"},
    ]
    lines += [_("PROBLEM: %(message)s") % {"message": problem.message} for problem in found.problems]
    if untold := found.found - len(found.problems):
        lines.append(_("and %(count)s more.") % {"count": f"{untold:,}"})
    lines.append(_("The chain holds.") if found.holds else _("The chain does NOT hold."))
    return "\n".join(lines)
