"""The local social network: X's API v2 as far as the product and the simulated readers use it.

Any OAuth 1.0a credentials are let in. An access token `<number>-<name>` is that user; any other token is a user made
from it. A post's whole JSON stands in the message's `raw`; a reply is the message whose `recipient` is who it answers.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote

from outreach.core.clock import now
from outreach.core.vocabulary import Channel
from outreach.sandbox.listener import Call, HttpPeer, Reply
from outreach.sandbox.store import Arrival, MessageStore

_TOKEN: Final = re.compile(r'oauth_token="([^"]+)"')
_OWN_NAME: Final = re.compile(r"([0-9]{1,15})-([A-Za-z0-9_]{1,15})")
_MENTIONS: Final = re.compile(r"/2/users/([0-9]{1,19})/mentions")
_POST: Final = re.compile(r"/2/tweets/([0-9]{1,19})")
_MENTIONED: Final = re.compile(r"@([A-Za-z0-9_]{1,15})")
_LONGEST_TEXT: Final = 280
_URL: Final = re.compile(r"https?://\S+")
#: X counts every link as its own short one, and letters beyond these ranges twice.
_LINK_LENGTH: Final = 23
_LIGHT: Final = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))

_SELECT_MENTIONS: Final = """
    SELECT raw FROM sandbox_message
    WHERE channel = 'social' AND recipient = %s AND lpad(provider_id, 19, '0') > %s
    ORDER BY id DESC LIMIT %s
"""

# CASE, since only the raw form of posts is JSON and the order of conditions is the planner's.
_SELECT_CONVERSATION: Final = """
    SELECT raw FROM sandbox_message
    WHERE CASE WHEN channel = 'social' THEN convert_from(raw, 'UTF8')::jsonb ->> 'conversation_id' END = %s
      AND lpad(provider_id, 19, '0') > %s
    ORDER BY id DESC LIMIT %s
"""


@dataclass(frozen=True, kw_only=True)
class User:
    """Who calls, told from the access token."""

    id: str
    name: str

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "username": self.name}


class SocialPeer(HttpPeer):
    """Stands in for api.x.com."""

    def __init__(self, port: int, store: MessageStore) -> None:
        super().__init__(port)
        self._store = store
        self._ids = _PostIds()

    def answer(self, call: Call) -> Reply:
        user = find_user(call.headers.get("authorization", ""))
        if user is None:
            return _problem(401, "Unauthorized", "Unauthorized")
        if call.method == "POST" and call.path == "/2/tweets":
            return self._create(call, user)
        if call.method == "GET":
            return self._read(call, user)
        return _problem(404, "Not Found Error", f"There is no {call.method} {call.path}.")

    def _read(self, call: Call, user: User) -> Reply:
        if call.path == "/2/users/me":
            return Reply(status=200, body={"data": user.as_json()})
        if call.path == "/2/tweets/search/recent":
            return self._search(call)
        if _MENTIONS.fullmatch(call.path):
            return self._list(_SELECT_MENTIONS, f"@{user.name}", *_since_and_limit(call))
        if found := _POST.fullmatch(call.path):
            return self._show(found[1])
        return _problem(404, "Not Found Error", f"There is no GET {call.path}.")

    def _create(self, call: Call, user: User) -> Reply:
        fields = call.json()
        text, reply = str(fields.get("text") or ""), fields.get("reply")
        answered = str(reply.get("in_reply_to_tweet_id") or "") if isinstance(reply, dict) else ""
        parent = self._find(answered) if answered else None
        if not text.strip():
            return _problem(400, "Invalid Request", "One or more parameters to your request was invalid.")
        if weighted_length(text) > _LONGEST_TEXT:
            return _problem(403, "Forbidden", "Your Tweet text is too long.")
        if answered and parent is None:
            words = "You attempted to reply to a Tweet that is deleted or not visible to you."
            return _problem(403, "Forbidden", words)
        post = _make_post(self._ids.next(), text, user, parent)
        self._store.keep(_as_arrival(post, user, parent)).result()
        data = {name: post[name] for name in ("id", "text", "edit_history_post_ids", "edit_history_tweet_ids")}
        return Reply(status=201, body={"data": data})

    def _find(self, post_id: str) -> dict[str, Any] | None:
        rows = self._store.find(
            "SELECT raw FROM sandbox_message WHERE channel = 'social' AND provider_id = %s LIMIT 1", post_id
        )
        return _load(rows[0][0]) if rows else None

    def _show(self, post_id: str) -> Reply:
        post = self._find(post_id)
        if post is None:
            return _problem(404, "Not Found Error", f"Could not find tweet with id: [{post_id}].")
        return Reply(status=200, body={"data": _public(post)})

    def _search(self, call: Call) -> Reply:
        """The operators `conversation_id:` and `to:`, which find replies."""
        operator, _, value = call.query.get("query", "").partition(":")
        since, limit = _since_and_limit(call)
        if operator == "to":
            return self._list(_SELECT_MENTIONS, f"@{value.lstrip('@')}", since, limit)
        if operator != "conversation_id":
            return _problem(400, "Invalid Request", "Only the operators conversation_id: and to: are known here.")
        return self._list(_SELECT_CONVERSATION, value, since, limit)

    def _list(self, sql: Any, *parameters: object) -> Reply:
        posts = [_load(row[0]) for row in self._store.find(sql, *parameters)]
        if not posts:
            return Reply(status=200, body={"meta": {"result_count": 0}})
        users = {post["author_id"]: User(id=post["author_id"], name=post["username"]) for post in posts}
        body = {
            "data": [_public(post) for post in posts],
            "includes": {"users": [user.as_json() for user in users.values()]},
            "meta": {"result_count": len(posts), "newest_id": posts[0]["id"], "oldest_id": posts[-1]["id"]},
        }
        return Reply(status=200, body=body)


class _PostIds:
    """Ids that grow with time, as X's do, so that `since_id` works; unique also within a millisecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> str:
        with self._lock:
            self._last = max(self._last + 1, int(now().timestamp() * 1000) << 20)
            return str(self._last)


def find_user(authorization: str) -> User | None:
    """Whose token signed the call; None where there is no OAuth 1.0a header."""
    found = _TOKEN.search(authorization) if authorization.startswith("OAuth ") else None
    if found is None:
        return None
    token = unquote(found[1])
    if own := _OWN_NAME.fullmatch(token):
        return User(id=own[1], name=own[2])
    number = str(int(sha256(token.encode()).hexdigest()[:12], 16))
    return User(id=number, name=f"user{number[-8:]}")


def weighted_length(text: str) -> int:
    """The length that X counts (https://docs.x.com/fundamentals/counting-characters)."""
    links = len(_URL.findall(text))
    rest = _URL.sub("", text)
    return links * _LINK_LENGTH + sum(1 if _is_light(ord(letter)) else 2 for letter in rest)


def _is_light(code: int) -> bool:
    return any(first <= code <= last for first, last in _LIGHT)


def _make_post(post_id: str, text: str, user: User, parent: Mapping[str, Any] | None) -> dict[str, Any]:
    post: dict[str, Any] = {
        "id": post_id,
        "text": text,
        "author_id": user.id,
        "username": user.name,
        "created_at": now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "conversation_id": parent["conversation_id"] if parent else post_id,
        "edit_history_post_ids": [post_id],
        "edit_history_tweet_ids": [post_id],
    }
    if parent:
        references = [{"type": "replied_to", "id": parent["id"]}]
        post |= {"in_reply_to_user_id": parent["author_id"]}
        # The published contract has the new name, clients in use still read the old one.
        post |= {"referenced_posts": references, "referenced_tweets": references}
    return post


def _as_arrival(post: Mapping[str, Any], user: User, parent: Mapping[str, Any] | None) -> Arrival:
    mentioned = _MENTIONED.search(post["text"])
    recipient = parent["username"] if parent else mentioned[1] if mentioned else ""
    return Arrival(
        channel=Channel.SOCIAL.value,
        recipient=f"@{recipient}" if recipient else "",
        sender=f"@{user.name}",
        body=post["text"],
        raw=json.dumps(post, ensure_ascii=False).encode(),
        provider_id=post["id"],
    )


def _load(raw: Any) -> dict[str, Any]:
    post = json.loads(bytes(raw))
    assert isinstance(post, dict)  # noqa: S101 -- we wrote it
    return post


def _public(post: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in post.items() if name != "username"}


def _since_and_limit(call: Call) -> tuple[str, int]:
    """The id padded as ids are compared, and how many posts are asked for."""
    since, limit = call.query.get("since_id", ""), call.query.get("max_results", "")
    return since.zfill(19), int(limit) if limit.isdigit() else 10


def _problem(status: int, title: str, detail: str) -> Reply:
    return Reply(status=status, body={"title": title, "type": "about:blank", "status": status, "detail": detail})
