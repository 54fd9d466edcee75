"""The tree of topics by the API: read whole, and arranged."""

from __future__ import annotations

from tests.web.api.caller import Api


def test_a_tree_is_read_and_arranged(api: Api) -> None:
    numbers = {}
    for slug, parent in (("health", None), ("records", "health"), ("taxes", None)):
        made = api.post("/topics", {"slug": slug, "name": {"en": slug}, "parent": parent})[1]
        numbers[slug] = made["id"]

    status, changed = api.call("PATCH", f"/topics/{numbers['taxes']}", {"parent": "health", "position": 0})
    assert (status, changed["parent"], changed["position"]) == (200, "health", 0)
    status, changed = api.call("PATCH", f"/topics/{numbers['records']}", {"name": {"bg": "Досие", "en": "Record"}})
    assert (status, changed["parent"], changed["name"]["bg"]) == (200, "health", "Досие")
    assert [(row["slug"], row["depth"], row["holds"]) for row in api.get("/topics/tree")[1]["items"]] == [
        ("health", 0, ["taxes", "records"]),
        ("taxes", 1, []),
        ("records", 1, []),
    ]
    assert api.call("PATCH", f"/topics/{numbers['taxes']}", {"parent": None})[1]["parent"] is None

    for body, field in (({"parent": "records"}, "parent"), ({"parent": "nothing"}, "parent"), ({"name": {}}, "name")):
        status, problem = api.call("PATCH", f"/topics/{numbers['health']}", body)
        assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [f"/{field}"])
