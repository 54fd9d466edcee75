"""Posts on X through `tweepy` with OAuth 1.0a, and the replies and mentions that come back, which are polled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import requests
import tweepy

from channels.base import (
    Account,
    AccountProblem,
    Capabilities,
    ChannelError,
    EventWord,
    Field,
    ForgedHook,
    Hook,
    Message,
    OutcomeUnknown,
    PermanentFailure,
    Problem,
    ProviderEvent,
    UnsupportedContent,
)
from channels.client import CONNECT_SECONDS, READ_SECONDS, GuardedTransport, as_answer, guard
from channels.exchange import HttpSession, find_missing, probe, refusal, secrets_of

_API: Final = "https://api.x.com"
#: The host that tweepy addresses; it is the API's old name.
_TWEEPY_HOST: Final = "https://api.twitter.com"
#: Pages of a hundred: X gives the latest 800 mentions and none before them.
_MOST_PAGES: Final = 8

#: Refusals that X gives with 403 though the account is sound, told by its words (X API v2 gives them no code).
_REFUSED_TEXTS: Final[Mapping[str, tuple[type[ChannelError], str]]] = {
    "duplicate content": (PermanentFailure, "refused"),
    "too long": (UnsupportedContent, "unsupported"),
    "needs to be a bit shorter": (UnsupportedContent, "unsupported"),
    "deleted or not visible": (PermanentFailure, "refused"),
    "reply to this conversation is not allowed": (PermanentFailure, "policy"),
}


class X:
    name: ClassVar[str] = "x"
    kind: ClassVar[str] = "social"
    label: ClassVar[str] = "X"
    can: ClassVar[Capabilities] = Capabilities(
        window=1,
        unknown_policy="hold",
        max_length=280,
        inbound=True,
        threads=True,
        public=True,
        timeout=CONNECT_SECONDS + READ_SECONDS,
    )
    account_fields: ClassVar[tuple[Field, ...]] = (
        Field(name="consumer_key", label="API key", secret=True, help="From the app's page on developer.x.com."),
        Field(name="consumer_secret", label="API key secret", secret=True, help="It was shown with the API key."),
        Field(name="access_token", label="Access token", secret=True, help="It needs the right to read and write."),
        Field(name="access_token_secret", label="Access token secret", secret=True, help="Shown with the token."),
        Field(name="base_url", label="Base URL", kind="url", required=False, default=_API, help="Another API address."),
    )

    def open(self, account: Account) -> XSession:
        return XSession(account)

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        raise ForgedHook("X calls nobody: replies are fetched.")

    def fetch_replies(self, account: Account, since_id: str) -> list[ProviderEvent]:
        """Mentions of the account newer than the post `since_id` ('' for the latest), oldest first.

        Raises:
            ChannelError: X did not answer, or refused us.
        """
        with self.open(account) as session:
            return session.read_mentions(since_id)

    def check(self, account: Account) -> list[Problem]:
        problems = find_missing(account, self.account_fields)
        if problems:
            return problems
        with self.open(account) as session:
            return probe(session.ask_account, remedies=_REMEDIES, secrets=secrets_of(account, self.account_fields))


class XSession(HttpSession):
    def __init__(self, account: Account) -> None:
        keys = {name: str(account.settings.get(name) or "") for name in _KEYS}
        base_url = str(account.settings.get("base_url") or _API)
        self._client = tweepy.Client(**keys, wait_on_rate_limit=False)
        transport = GuardedTransport(allow_private=account.allow_private, base_url=base_url, instead_of=_TWEEPY_HOST)
        guard(self._client.session, transport)
        self._client.session.hooks["response"].append(_judge)
        self._user_id = ""
        super().__init__(self._client.session, secrets=keys.values())

    def post(self, message: Message) -> str:
        if not message.text.strip():
            raise UnsupportedContent("A post needs a text.", reason="unsupported")
        answer = self._client.create_tweet(text=message.text, in_reply_to_tweet_id=message.in_reply_to or None)
        return str(answer.data["id"])

    def ask_account(self) -> None:
        """Ask X whose credentials these are.

        Raises:
            AccountProblem: nobody's, or not allowed to act.
        """
        self._user_id = str(self._client.get_me(user_auth=True).data.id)

    def read_mentions(self, since_id: str) -> list[ProviderEvent]:
        if not self._user_id:
            self.ask_account()
        pages = tweepy.Paginator(
            self._client.get_users_mentions,
            self._user_id,
            limit=_MOST_PAGES,
            user_auth=True,
            since_id=since_id or None,
            max_results=100,
            expansions=["author_id"],
            tweet_fields=["author_id", "created_at", "conversation_id", "referenced_tweets"],
            user_fields=["username"],
        )
        events = [event for page in pages for event in _read_page(page, own_id=self._user_id)]
        return sorted(events, key=lambda event: int(event.provider_id))


_KEYS: Final = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")

_REMEDIES: Final[Mapping[type[ChannelError], str]] = {
    AccountProblem: "Compare the keys and tokens with developer.x.com, and see that the app may read and write.",
    ChannelError: "Check the base URL and the network, then try again.",
}


def _judge(response: requests.Response, *_: Any, **__: Any) -> None:
    """Say what an answer means before tweepy reads it: it takes every body for JSON of the right shape."""
    answer = as_answer(response)
    body = answer.json()
    fields = body if isinstance(body, dict) else {}
    if answer.status >= 400:
        raise _refused(answer.status, fields, answer.headers)
    if response.request.method == "POST" and not _has_id(fields.get("data")):
        raise OutcomeUnknown(f"X answered {answer.status} without the post's id.", reason="no_answer")
    if not fields:
        raise OutcomeUnknown(f"X answered {answer.status} with something that is not JSON.", reason="no_answer")


def _has_id(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("id"), str) and data["id"].isdigit()


def _refused(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> ChannelError:
    detail = str(body.get("detail") or body.get("title") or _first_error(body))
    for words, (kind, reason) in _REFUSED_TEXTS.items():
        if status in (400, 403) and words in detail.lower():
            return kind(f"{status}: {detail}", reason=reason, status=status)
    return refusal(status, detail, headers=headers)


def _first_error(body: Mapping[str, Any]) -> str:
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else {}
    return str(first.get("message") or "") if isinstance(first, dict) else ""


def _read_page(page: Any, *, own_id: str) -> list[ProviderEvent]:
    """The page's mentions, without those that the account wrote itself, as when it goes on with a thread."""
    names = {str(user.id): str(user.username) for user in (page.includes or {}).get("users", [])}
    posts = [tweet.data for tweet in page.data or []]
    return [_read_mention(post, names) for post in posts if str(post.get("author_id")) != own_id]


def _read_mention(post: Mapping[str, Any], names: Mapping[str, str]) -> ProviderEvent:
    author = str(post.get("author_id") or "")
    # The API's documents say `referenced_posts` since 2025, its answers mostly still `referenced_tweets`.
    references = post.get("referenced_posts") or post.get("referenced_tweets") or []
    answered = [str(reference["id"]) for reference in references if reference.get("type") == "replied_to"]
    created = post.get("created_at")
    return ProviderEvent(
        word=EventWord.REPLIED,
        event_id=str(post["id"]),
        provider_id=str(post["id"]),
        at=tweepy.utils.parse_datetime(created) if created else None,
        address=f"@{names[author]}" if author in names else author,
        text=str(post.get("text") or ""),
        in_reply_to=answered[0] if answered else "",
        raw=dict(post),
    )
