"""Renders a run's messages: everything that is the same for all is done once, per message only variables and tokens."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _
from jinja2 import Template, TemplateError

from channels.base import Message, UnsupportedContent
from outreach.campaigns.web_tags import tagged
from outreach.core.errors import OutreachError
from outreach.core.vocabulary import Channel, Tracking
from outreach.delivery import tokens
from outreach.delivery.compile import CompiledContent, ContentProblem, compile_content, source_of
from outreach.delivery.digest_letter import digest_data
from outreach.delivery.letterform import LetterForm, letter_form
from outreach.delivery.letters import Letterhead, as_subject, letterhead, thread_headers
from outreach.delivery.people import NOBODY
from outreach.delivery.personal_urls import OF_QUESTIONS, PERSONAL_URLS, PersonalUrls
from outreach.delivery.sameness import Sameness, find_sameness
from outreach.delivery.slots import bounded
from outreach.delivery.templating import OutputTooLong, render_within_bounds
from outreach.delivery.tokens import TokenKind


class RenderingFailed(OutreachError):
    """The message could not be made for this person."""

    code = "rendering"
    message = _("The message could not be made for this person.")


class Recipient(NamedTuple):
    """Whom one message is for. A tuple, since one is made for each message: a third of a frozen dataclass's price."""

    #: `Delivery.id`.
    delivery: int
    channel: str
    #: The person's; the content of the fallback language is used where there is none of it.
    language: str
    variant: str = ""
    #: Address on the channel; '' for a public post.
    to: str = ""
    #: `id`, `name`, `kind`, `language`, `attributes`; None for a public post.
    subscriber: Mapping[str, Any] | None = None
    #: Whether opens and clicks are kept by person: only after consent to measurement.
    individual: bool = False
    #: Of a notice: what its caller handed in. Of a digest: what it tells.
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class RunLink:
    """A numbered link of a run's content."""

    channel: str
    language: str
    variant: str
    position: int
    #: As its author wrote it.
    url: str
    label: str
    #: Where it leads: with the campaign's tags for web statistics.
    target: str


class CompiledRun:
    """A run ready to be rendered. Contents are compiled when they are first needed."""

    def __init__(self, frozen: Mapping[str, Any], *, run_id: int, base_url: str) -> None:
        self.frozen = frozen
        self.run_id = run_id
        self.base_url = base_url.rstrip("/")
        self.tracking = frozen.get("tracking", Tracking.AGGREGATE)
        self._contents = {_key(content): content for content in frozen["contents"]}
        self._bound: dict[tuple[str, str, str], BoundContent] = {}
        #: (channel, language, variant) of recipients -> what they get.
        self._chosen: dict[tuple[str, str, str], BoundContent] = {}

    @property
    def links(self) -> list[RunLink]:
        """Every link with the number that its click tokens carry."""
        return [link for bound in self._all() for link in bound.links]

    @property
    def problems(self) -> list[tuple[int, ContentProblem]]:
        """What is wrong, each with the position of its content."""
        return [(n, problem) for n, bound in enumerate(self._all()) for problem in bound.compiled.problems]

    def contents(self) -> list[CompiledContent]:
        """The compiled contents, in the order of the plan."""
        return [bound.compiled for bound in self._all()]

    def url_at(self, channel: str, language: str, position: int) -> str | None:
        """Where the link of this number leads."""
        for key in self._contents:
            if key[:2] == (channel, language):
                for link in self._bind(key).links:
                    if link.position == position:
                        return link.target
        return None

    def render(self, recipient: Recipient) -> Message:
        """Make one message.

        Raises:
            RenderingFailed: there is no content for the recipient, or it cannot be made with this person's data.
        """
        return self.content_for(recipient).render(recipient)

    def content_for(self, recipient: Recipient) -> BoundContent:
        """The content that the recipient gets: of the language, else of the fallback language, else any."""
        wanted = recipient.channel, recipient.language, recipient.variant
        found = self._chosen.get(wanted)
        if found is None:
            found = self._chosen[wanted] = self._bind(self._key_for(recipient))
        return found

    def _key_for(self, recipient: Recipient) -> tuple[str, str, str]:
        wanted = (recipient.language, self.frozen.get("fallback_language", ""))
        keys = [key for key in self._contents if key[0] == recipient.channel]
        for language in wanted:
            for variant in (recipient.variant, ""):
                if (recipient.channel, language, variant) in self._contents:
                    return recipient.channel, language, variant
        if not keys:
            raise RenderingFailed(reason="no_content", delivery=recipient.delivery)
        return next((key for key in keys if key[1] in wanted), keys[0])

    def _all(self) -> Iterator[BoundContent]:
        return (self._bind(key) for key in self._contents)

    def _bind(self, key: tuple[str, str, str]) -> BoundContent:
        if key not in self._bound:
            before = [other for other in self._contents if other[:2] == key[:2] and other[2] < key[2]]
            first = sum(len(compile_content(source_of(self._contents[other], self.frozen)).links) for other in before)
            self._bound[key] = BoundContent(self, self._contents[key], first_link=first)
        return self._bound[key]


class Outgoing:
    """A run whose messages go to an adapter and nowhere else: e-mails are made the short way where there is one."""

    def __init__(self, run: CompiledRun) -> None:
        self._run = run

    def render(self, recipient: Recipient) -> Message:
        """Make one message: the bytes of `CompiledRun.render`, without the texts that only people look at.

        Raises:
            RenderingFailed: as `CompiledRun.render`.
        """
        content = self._run.content_for(recipient)
        return content.mail(recipient) or content.mark(content.render(recipient), recipient)


class BoundContent:
    """A compiled content with the tokens of one run."""

    def __init__(self, run: CompiledRun, content: Mapping[str, Any], *, first_link: int) -> None:
        self.run = run
        self.channel, self.language = content["channel"], content["language"]
        self.compiled = compile_content(source_of(content, run.frozen))
        self.sender: Mapping[str, Any] = run.frozen.get("senders", {}).get(str(content.get("account")), {})
        self.links = [
            RunLink(
                channel=self.channel,
                language=self.language,
                variant=content.get("variant", ""),
                position=first_link + number,
                url=link.url,
                label=link.label,
                target=tagged(link.url, run.frozen.get("utm", {}), channel=self.channel, language=self.language),
            )
            for number, link in enumerate(self.compiled.links)
        ]
        self._aggregate = self._tracked_values(0)
        self._letterhead: Letterhead | None = None
        if self.channel == Channel.EMAIL:
            self._letterhead = letterhead(
                run.frozen, run_id=run.run_id, base_url=run.base_url, sender=self.sender, compiled=self.compiled
            )

    def render(self, recipient: Recipient) -> Message:
        compiled = self.compiled
        if compiled.text is None:
            raise RenderingFailed(reason="rendering", delivery=recipient.delivery)
        values = self.values(recipient)
        try:
            text = render_within_bounds(compiled.text, values)
            html = render_within_bounds(compiled.html, values) if compiled.html else ""
            subject = _one_line(compiled.subject, values)
            return self._message(recipient, values, subject=subject, text=text, html=html)
        except (TemplateError, OutputTooLong, UnsupportedContent) as err:
            raise RenderingFailed(reason="rendering", delivery=recipient.delivery, detail=str(err)[:200]) from err
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as err:
            # A filter met a person's value that it was not made for: `round` of a name, `sort` of mixed things.
            raise RenderingFailed(reason="rendering", delivery=recipient.delivery, detail=type(err).__name__) from err

    def preheader(self, recipient: Recipient) -> str:
        """What mail programs show beside the subject; '' where there is nothing or this person's data spoils it."""
        template = self.compiled.preheader
        try:
            return _one_line(template, self.values(recipient)) if template else ""
        except (TemplateError, OutputTooLong, ArithmeticError, LookupError, TypeError, ValueError):
            return ""

    def mail(self, recipient: Recipient) -> Message | None:
        """The e-mail as it is handed over, made the short way; None where it has to be rendered for this recipient.

        Its bytes are those of `render`; the texts that only people look at stay empty.
        """
        form = self._form
        if form is None or not recipient.to or (recipient.individual and self.run.tracking == Tracking.INDIVIDUAL):
            return None
        try:
            return form.mail(recipient)
        except UnsupportedContent as err:
            raise RenderingFailed(reason="rendering", delivery=recipient.delivery, detail=str(err)[:200]) from err

    def mark(self, message: Message, recipient: Recipient) -> Message:
        """The message with what it shares with the content's others, for adapters that assemble e-mails themselves."""
        if self.channel != Channel.EMAIL or message.raw or self._sameness is None:
            return message
        return self._sameness.mark(message, self.values(recipient))

    @functools.cached_property
    def _sameness(self) -> Sameness | None:
        if self.compiled.source.is_notice or self.compiled.source.is_digest:
            return None  # hardly two of them say the same
        return find_sameness(self.compiled, {**self.compiled.shared, **self._aggregate})

    @functools.cached_property
    def _form(self) -> LetterForm | None:
        return letter_form(
            self._sameness,
            self._letterhead,
            urls=self._personal_urls,
            language=self.language,
        )

    def values(self, recipient: Recipient) -> dict[str, Any]:
        """What the templates see for this recipient."""
        is_individual = recipient.individual and self.run.tracking == Tracking.INDIVIDUAL
        return {
            **self.compiled.shared,
            **(self._tracked_values(recipient.delivery) if is_individual else self._aggregate),
            "subscriber": _person(recipient.subscriber),
            "data": self._data(recipient),
            **dict.fromkeys(OF_QUESTIONS, ""),
            **self._all_urls.make(recipient.delivery),
        }

    @functools.cached_property
    def _all_urls(self) -> PersonalUrls:
        return self._personal_urls(PERSONAL_URLS.keys() - (set() if self.compiled.is_answerable else OF_QUESTIONS))

    def _personal_urls(self, names: Collection[str]) -> PersonalUrls:
        return PersonalUrls(names, base_url=self.run.base_url, series=self._tokens)

    def _data(self, recipient: Recipient) -> Any:
        if self.compiled.source.is_digest:
            return digest_data(
                self.run.frozen, recipient.data or {}, language=self.language, base_url=self.run.base_url
            )
        return bounded(recipient.data or {})

    def _tracked_values(self, delivery: int) -> dict[str, Any]:
        """The links and the pixel: by person, by run (delivery 0), or the plain addresses where nothing is counted."""
        fixed = self.compiled.fixed
        if self.run.tracking == Tracking.NONE:
            return {
                "_open": "",
                "_bait": "",
                "_urls": {link.url: link.target for link in self.links[fixed:]},
                **{f"_l{n}": link.target for n, link in enumerate(self.links[:fixed])},
            }
        base = self.run.base_url
        clicks = [f"{base}/c/{self._token(TokenKind.CLICK, delivery, link=link.position)}" for link in self.links]
        return {
            "_open": f"{base}/o/{self._token(TokenKind.OPEN, delivery)}",
            "_bait": f"{base}/c/{self._token(TokenKind.CLICK, delivery, link=tokens.HONEYPOT)}" if clicks else "",
            "_urls": {link.url: click for link, click in zip(self.links[fixed:], clicks[fixed:], strict=True)},
            **{f"_l{n}": click for n, click in enumerate(clicks[:fixed])},
        }

    def _token(self, kind: TokenKind, delivery: int, *, link: int = 0) -> str:
        return self._tokens(kind, link=link).make(delivery)[0]

    def _tokens(self, *kinds: TokenKind, link: int = 0) -> tokens.Series:
        return tokens.Series(*kinds, run=self.run.run_id, channel=self.channel, language=self.language, link=link)

    def _message(
        self, recipient: Recipient, values: Mapping[str, Any], *, subject: str, text: str, html: str
    ) -> Message:
        id_ = f"{self.run.run_id}-{recipient.delivery}"
        letter = self._letterhead
        if letter is None:
            return Message(
                id=id_,
                to=recipient.to,
                text=text,
                subject=subject,
                html=html,
                language=self.language,
                callback_url=self._callback_url(recipient.delivery),
            )
        message_id = letter.message_id(id_)
        own = letter.headers(values["unsubscribe_url"], message_id)
        if not letter.has_way_out:
            own = (*own, *thread_headers(recipient.data))
        raw = b""
        if letter.skeleton is not None and recipient.to:
            raw = letter.skeleton.fill(
                to=recipient.to, subject=subject, text=text, html=html, message_id=message_id, headers=own
            )
        return Message(
            id=id_,
            to=recipient.to,
            text=text,
            subject=subject,
            html=html,
            sender=letter.sender,
            reply_to=letter.reply_to,
            message_id=message_id,
            language=self.language,
            headers=(*letter.fixed, *own),
            parts=letter.parts,
            raw=raw,
        )

    def _callback_url(self, delivery: int) -> str:
        """Where the provider of an SMS reports to; the token makes it unguessable."""
        if self.channel != Channel.SMS or not self.sender.get("hook_key"):
            return ""
        token = self._token(TokenKind.CALLBACK, delivery)
        return f"{self.run.base_url}/hooks/{self.sender['hook_key']}/status?d={token}"


def compile_run(frozen: Mapping[str, Any], *, run_id: int, base_url: str) -> CompiledRun:
    """Prepare a run for rendering; cheap: contents are compiled when first needed, and remembered by their text."""
    return CompiledRun(frozen, run_id=run_id, base_url=base_url)


def _key(content: Mapping[str, Any]) -> tuple[str, str, str]:
    return content["channel"], content["language"], content.get("variant", "")


def _one_line(template: Template | None, values: dict[str, Any]) -> str:
    return as_subject(render_within_bounds(template, values) if template else "")


def _person(subscriber: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if subscriber is None:
        return NOBODY
    attributes = subscriber.get("attributes") or {}
    return {
        "name": subscriber.get("name") or "",
        "kind": subscriber.get("kind") or "",
        "language": subscriber.get("language") or "",
        "attributes": {name: bounded(value) for name, value in attributes.items()},
    }
