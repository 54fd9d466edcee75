"""Do not write: the list, what finds an address, adding one, taking one off with a reason."""

from __future__ import annotations

from collections.abc import Callable

from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import DjangoAssertNumQueries

from outreach.audience.bounce_rules import Thresholds, thresholds_of
from outreach.audience.models import Suppression
from outreach.audience.subscribers import AddressData, SubscriberData, upsert_subscriber
from outreach.audience.suppression import suppress
from outreach.audience.suppression_import import SuppressionImport, run_suppression_import
from outreach.core.models import AuditEntry, Organisation
from outreach.core.vocabulary import Role
from tests.web.console.conftest import Person


def test_address_is_added_found_and_taken_off(alice: Person) -> None:
    empty = alice.see("/suppressions")
    alice.post("/suppressions/new", channel="email", value="Ana@Example.org", note="Asked by letter")
    entry = Suppression.objects.get()
    listed, searched = alice.see("/suppressions"), alice.see("/suppressions?text=ana@example.org")
    unknown = alice.see("/suppressions?text=boris@example.org")
    alice.post(f"/suppressions/{entry.pk}/remove", why="")
    refused = alice.see("/suppressions")
    alice.post(f"/suppressions/{entry.pk}/remove", why="She wrote again")

    assert ("Nobody is on the list yet" in empty, "Nothing is found" in unknown) == (True, True)
    assert [("Asked by letter" in page, "Ana@Example.org" in page) for page in (listed, searched)] == [
        (True, False),
        (True, False),
    ]
    assert ("why we may write to this address again" in refused, Suppression.objects.count()) == (True, 0)


def test_bad_address_says_so_at_the_field(alice: Person) -> None:
    page = alice.post("/suppressions/new", channel="sms", value="many", note="x").content.decode()

    assert ('id="id_value_error"' in page, Suppression.objects.count()) == (True, 0)


def test_list_pages_by_cursor_in_as_many_queries_for_fifty_as_for_one(
    alice: Person, ministry: Organisation, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(51):
        suppress(ministry, "email", f"{number}@example.org", "complaint")
        if number in (0, 50):
            with django_assert_max_num_queries(10):
                page = alice.see("/suppressions")
    rest = alice.see("/suppressions?cursor=" + page.split("cursor=")[1].split('"')[0])

    assert (page.count("<tr>"), rest.count("<tr>")) == (51, 2)
    assert alice.client.get("/suppressions?cursor=broken").status_code == 404


def test_national_list_is_seen_below_and_changed_above(
    alice: Person, municipality: Organisation, member: Callable[..., Person], ministry: Organisation
) -> None:
    suppress(ministry, "email", "ana@example.org", "manual")
    entry = Suppression.objects.get()
    town = member("Dora", municipality, Role.ADMINISTRATOR)
    author = member("Eva", ministry, Role.AUTHOR)

    page = town.see("/suppressions")

    assert ("holds here too" in page, "Take off the list" in page) == (True, False)
    statuses = [one.post(f"/suppressions/{entry.pk}/remove", why="x").status_code for one in (town, author)]
    assert (statuses, Suppression.objects.count()) == ([404, 403], 1)
    assert author.post("/suppressions/new", channel="email", value="b@b.bg", note="x").status_code == 403


def test_strangers_see_nothing_of_it(ministry: Organisation, charlie: Person) -> None:
    suppress(ministry, "email", "ana@example.org", "manual")

    assert "Nobody is on the list yet" in charlie.see("/suppressions")
    download = charlie.client.get("/suppressions.csv").getvalue()
    assert download.decode().splitlines() == ["\ufefforganisation,channel,hash,reason,source,note,since"]
    assert list(AuditEntry.objects.filter(action="suppressions.exported").values_list("user", flat=True)) == [
        charlie.user.pk
    ]


def test_person_page_says_which_address_is_on_a_list(alice: Person) -> None:
    addresses = [AddressData(channel="email", value="ana@example.org"), AddressData(channel="sms", value="0888123456")]
    person, _new = upsert_subscriber(alice.actor, SubscriberData(addresses=addresses))
    suppress(alice.organisation, "sms", "+359888123456", "stop")

    page = alice.see(f"/people/{person.pk}")

    assert (page.count("The person answered STOP"), "/suppressions?text=" in page) == (1, True)


def test_list_is_imported_and_its_bad_lines_are_named(alice: Person, charlie: Person) -> None:
    file = SimpleUploadedFile("list.txt", b"ana@example.org\nnobody@\n", content_type="text/plain")
    answer = alice.post("/suppressions/import", file=file, note="Their list", channel="email")
    job = SuppressionImport.objects.get()
    run_suppression_import(job.pk)

    page, moving = alice.see(answer["Location"]), alice.client.get(f"{answer['Location']}/progress")
    assert ("1 line was not taken" in page, "This is not an e-mail address" in page, "nobody@" in page) == (
        True,
        True,
        False,
    )
    assert (moving["HX-Refresh"], "list.txt" in alice.see("/suppressions")) == ("true", True)
    assert charlie.client.get(answer["Location"]).status_code == 404


def test_list_without_addresses_says_so_at_the_field(alice: Person) -> None:
    file = SimpleUploadedFile("list.csv", b"name;town\nAna;Varna\n")
    page = alice.post("/suppressions/import", file=file, note="x", channel="email").content.decode()

    assert ('id="id_file_error"' in page, SuppressionImport.objects.count()) == (True, 0)


def test_thresholds_are_set_and_taken_back(alice: Person, member: Callable[..., Person]) -> None:
    refused = alice.post("/suppressions/thresholds", hard_after="0", soft_after="5", within_days="30").content.decode()
    alice.post("/suppressions/thresholds", hard_after="2", soft_after="5", within_days="14")
    held, page = thresholds_of(alice.organisation), alice.see("/suppressions/thresholds")
    alice.post("/suppressions/thresholds/forget")

    assert ('id="id_hard_after_error"' in refused, "Set by Ministry" in page) == (True, True)
    assert (held, thresholds_of(alice.organisation)) == (
        Thresholds(hard_after=2, soft_after=5, within_days=14),
        Thresholds(),
    )
    publisher = member("Eva", alice.organisation, Role.PUBLISHER)
    assert publisher.client.get("/suppressions/thresholds").status_code == 403
