"""Two records of one person, over the API."""

from __future__ import annotations

from .caller import Api


def test_two_records_become_one(api: Api, stranger: Api) -> None:
    one, two = (
        api.post("/subscribers", {"addresses": [{"channel": channel, "value": value}], "name": name})[1]
        for channel, value, name in (("email", "ana@example.org", "Ana"), ("sms", "0888123456", "Ana Petrova"))
    )
    bad = api.post(f"/subscribers/{one['id']}/merge", {"other": "999"})
    foreign = stranger.post(f"/subscribers/{one['id']}/merge", {"other": two["id"]})
    status, merged = api.post(f"/subscribers/{one['id']}/merge", {"other": two["id"], "taken": ["name"]})

    assert (bad[0], bad[1]["errors"][0]["pointer"], foreign[0]) == (422, "/other", 404)
    assert (status, merged["id"], merged["name"]) == (200, one["id"], "Ana Petrova")
    assert [address["channel"] for address in merged["addresses"]] == ["email", "sms"]
    assert api.get(f"/subscribers/{two['id']}")[0] == 404
