"""Creating leads."""

from tests.desk import Api


def test_a_lead_needs_only_a_first_name(alice: Api) -> None:
    lead = alice.post("/leads", {"first_name": "Maria"}).json()["data"]
    assert lead["first_name"] == "Maria"
    assert (lead["status"], lead["source"], lead["tags"], lead["custom_fields"]) == ("new", "api", [], {})
    assert alice.get(f"/leads/{lead['id']}").json()["data"] == lead


def test_a_stranger_sees_nothing_of_it(alice: Api, charlie: Api) -> None:
    lead = alice.lead()
    assert charlie.get(f"/leads/{lead['id']}").status_code == 404
    assert charlie.get("/leads").json()["meta"]["total"] == 0
