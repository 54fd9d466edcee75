"""E-mails made the short way have the very bytes of those that the sandbox renders one by one."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outreach.core.secrets import Mac
from outreach.delivery.render import CompiledRun, Outgoing, Recipient
from tests.delivery.letter import ANNA, compiled

#: Bodies that only print a person's variables, with all that is the same for everybody.
PLAIN = {
    "name": "# Здравейте, {{ subscriber.name }}!\n\n[Вижте](https://a.example.bg/?a=1&b=2) или [питайте](https://b.example)",
    "attributes": "{{ subscriber.attributes.city }}, {{ subscriber.attributes['children'] }} {{ subscriber.kind }}",
    "services": "{% for s in services %}\n\n[{{ s.name }}]({{ s.url }})\n\n{% endfor %}\n\n{{ subscriber.language }}",
    "service": "[{{ service.name | upper }}]({{ service.url }}): {{ organisation.name }}, {{ campaign.name }}",
    "urls": "[спри]({{ unsubscribe_url }}) {{ subscriber.name }} <b>&amp;</b>",
}
#: Bodies that ask more of a person.
PERSONAL = {
    "condition": "{% if subscriber.kind == 'citizen' %}Вие{% else %}Ние{% endif %}",
    "filter": "{{ subscriber.name | upper }}",
    "default": "{{ subscriber.attributes.nothing | default('приятелю') }}",
    "loop": "{% for child in subscriber.attributes.children %}{{ child }} {% endfor %}",
    "all": "{{ subscriber.attributes }}",
}

names = st.one_of(
    st.text(max_size=30), st.sampled_from(["Анна & Ко <b>", 'O\'Neil "x"', ".", "", "a\r\nBcc: x", "=_716"])
)
values = st.one_of(names, st.none(), st.booleans(), st.integers(), st.floats(), st.lists(names, max_size=3))


def people() -> st.SearchStrategy[dict[str, Any]]:
    attributes = st.fixed_dictionaries({}, optional={"city": values, "children": values})
    return st.builds(lambda name, found: {**ANNA, "name": name, "attributes": found}, names, attributes)


def recipient(person: dict[str, Any]) -> Recipient:
    return Recipient(delivery=99, channel="email", language="bg", to="anna@example.org", subscriber=person)


def bytes_of(raw: bytes) -> bytes:
    """Without the date, which may change between two messages."""
    before, _, after = raw.partition(b"\r\nDate: ")
    return before + after.partition(b"\r\n")[2]


def goes_the_short_way(run: CompiledRun, person: dict[str, Any]) -> bool:
    return run.content_for(recipient(person)).mail(recipient(person)) is not None


@pytest.mark.parametrize("tracking", ["none", "aggregate", "individual"])
@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN)
def test_a_plain_content_goes_the_short_way(body: str, tracking: str) -> None:
    run = compiled(body, subject="За {{ subscriber.name }}", tracking=tracking)
    whole, short = run.render(recipient(ANNA)), Outgoing(run).render(recipient(ANNA))

    assert goes_the_short_way(run, ANNA)
    assert bytes_of(short.raw) == bytes_of(whole.raw)
    assert (short.id, short.to, short.subject, short.sender, short.message_id, short.is_dotless) == (
        whole.id,
        whole.to,
        whole.subject,
        whole.sender,
        whole.message_id,
        True,
    )


@pytest.mark.parametrize("body", PERSONAL.values(), ids=PERSONAL)
def test_a_content_that_asks_more_of_a_person_is_rendered_for_each(body: str) -> None:
    run = compiled(body)
    assert not goes_the_short_way(run, ANNA)
    assert bytes_of(Outgoing(run).render(recipient(ANNA)).raw) == bytes_of(run.render(recipient(ANNA)).raw)


@settings(max_examples=150, deadline=None)
@given(person=people(), body=st.sampled_from([*PLAIN.values()]))
def test_both_ways_make_the_same_bytes_of_anybody(person: dict[str, Any], body: str) -> None:
    run = compiled(body, subject="За {{ subscriber.name }} от {{ subscriber.attributes.city }}", tracking="aggregate")
    whole, short = run.render(recipient(person)), Outgoing(run).render(recipient(person))
    assert bytes_of(short.raw) == bytes_of(whole.raw)


def test_who_is_measured_one_by_one_gets_links_of_their_own() -> None:
    run = compiled(PLAIN["name"], tracking="individual")
    measured = recipient(ANNA)._replace(individual=True)
    assert run.content_for(measured).mail(measured) is None
    assert bytes_of(Outgoing(run).render(measured).raw) == bytes_of(run.render(measured).raw)


def test_other_channels_are_rendered_whole() -> None:
    run = compiled("Здравей, {{ subscriber.name }}", channel="sms", format="text")
    person = Recipient(delivery=99, channel="sms", language="bg", to="+359881234567", subscriber=ANNA)
    assert Outgoing(run).render(person) == run.render(person)


@given(key=st.binary(min_size=1, max_size=64), data=st.binary(max_size=100))
def test_a_mac_is_an_hmac(key: bytes, data: bytes) -> None:
    assert Mac(key).digest(data) == hmac.digest(key, data, hashlib.sha256)
