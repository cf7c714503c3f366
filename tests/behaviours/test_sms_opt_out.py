"""Opt-outs and do-not-call belong to the number: nothing that happens to a lead frees it, and the gate is asked twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deskbell.compliance import keywords, suppressions
from deskbell.conversations import store
from deskbell.conversations.sending import queue_text
from deskbell.core.context import Context
from tests.behaviours.test_conversations import hear, say
from tests.behaviours.test_texting import haste, outcome
from tests.desk import Api, eventually, refused

__all__ = ["haste"]
PHONE = "+15125550123"
FLAGS = {"sms_opted_out": suppressions.opt_out, "on_dnc_list": suppressions.add_to_dnc_list}


@pytest.fixture(params=FLAGS)
def flag(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def block(api: Api, flag: str, phone: str = PHONE) -> None:
    api.do(lambda ctx: FLAGS[flag](ctx, phone))


def flags(api: Api, lead: dict[str, Any]) -> dict[str, bool]:
    found = api.get(f"/leads/{lead['id']}").json()["data"]
    return {flag: found[flag] for flag in FLAGS if found[flag]}


def texting(api: Api, lead: dict[str, Any]) -> Any:
    return api.post(f"/conversations/{lead['id']}/messages", {"body": "Hello"})


def test_a_blocked_number_is_never_texted(alice: Api, flag: str) -> None:
    lead = alice.lead(phone=PHONE)
    block(alice, flag)
    assert flags(alice, lead) == {flag: True}
    assert alice.get("/leads").json()["data"][0][flag] is True
    refused(texting(alice, lead), 422, "compliance_blocked", flag)
    assert alice.get(f"/conversations/{lead['id']}").json()["data"] == []


def test_archiving_and_creating_again_does_not_free_the_number(alice: Api, flag: str) -> None:
    lead = alice.lead(phone=PHONE)
    block(alice, flag)
    assert alice.delete(f"/leads/{lead['id']}").json()["data"][flag] is True
    again = alice.lead(phone="(512) 555-0123")
    assert again[flag] is True
    refused(texting(alice, again), 422, "compliance_blocked")


def test_changing_the_phone_away_and_back_does_not_free_the_number(alice: Api, flag: str) -> None:
    lead = alice.lead(phone=PHONE)
    block(alice, flag)
    path = f"/leads/{lead['id']}"
    assert alice.put(path, {"phone": "+15125550199"}).json()["data"][flag] is False
    assert texting(alice, lead).status_code == 201
    assert alice.put(path, {"phone": None}).json()["data"][flag] is False
    assert alice.put(path, {"phone": PHONE}).json()["data"][flag] is True
    refused(texting(alice, lead), 422, "compliance_blocked")


def test_the_number_may_be_blocked_before_there_is_a_lead(alice: Api, flag: str) -> None:
    block(alice, flag)
    lead = alice.lead(phone=PHONE)
    assert lead[flag] is True
    other = alice.lead()
    assert alice.put(f"/leads/{other['id']}", {"phone": PHONE}).status_code == 409
    refused(texting(alice, lead), 422, "compliance_blocked")


def test_an_opt_out_holds_for_one_organization_only(alice: Api, charlie: Api, flag: str) -> None:
    block(alice, flag)
    lead = charlie.lead(phone=PHONE)
    assert flags(charlie, lead) == {}
    assert texting(charlie, lead).status_code == 201


def test_start_undoes_an_opt_out_but_not_a_do_not_call_entry(alice: Api) -> None:
    lead = alice.lead(phone=PHONE)
    block(alice, "sms_opted_out")
    block(alice, "on_dnc_list")
    hear(alice, PHONE, "START")
    assert flags(alice, lead) == {"on_dnc_list": True}
    refused(texting(alice, lead), 422, "compliance_blocked", "on_dnc_list")
    alice.do(lambda ctx: suppressions.remove_from_dnc_list(ctx, PHONE))
    assert texting(alice, lead).status_code == 201


def test_an_opt_out_between_acceptance_and_sending_cancels_the_text(alice: Api, flag: str) -> None:
    lead = alice.lead(phone=PHONE)

    async def queued_then_blocked(ctx: Context) -> None:
        await queue_text(ctx, lead["id"], PHONE, "Too late")
        await FLAGS[flag](ctx, PHONE)

    alice.do(queued_then_blocked)
    assert outcome(alice, lead) == "cancelled"
    assert alice.get(f"/conversations/{lead['id']}").json()["data"][0]["sent_at"] is None


def test_stop_cancels_what_is_queued_for_the_number(alice: Api) -> None:
    lead, other = alice.lead(phone=PHONE), alice.lead(phone="+15125550199")

    async def queued_then_stopped(ctx: Context) -> list[str]:
        from deskbell.conversations.inbound import receive_text

        texts = [await queue_text(ctx, each["id"], each["phone"], "Hello") for each in (lead, other)]
        await receive_text(ctx, PHONE, "STOP")
        found = [await ctx.db.one(store.message_row(ctx.organization_id, text.id)) for text in texts]
        return [each.status for each in found if each]

    assert alice.do(queued_then_stopped) == ["cancelled", "queued"]
    assert outcome(alice, other) == "delivered"


def forms(words: Any) -> list[str]:
    """Each keyword as people write it."""
    ways: list[Callable[[str], str]] = [str, str.upper, str.title, lambda word: f" {word}! \n", lambda word: f'"{word}".',
                                        lambda word: f"({word.upper()})", lambda word: f"“{word}”…"]  # fmt: skip
    return [ways[place % len(ways)](word) for place, word in enumerate(sorted(words) * 3)]


STOPS = ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "opt out", "optout")


UNUSUAL = [
    "end—",
    "stop。",
    "－stop－",
    "stop\u200b",
    "ＳＴＯＰ",
    "stop 🙏🏽",
    "❤️ stop",
    "Opt-out",
    "opt_out",
    "«stop»\u2028",
]


@pytest.mark.parametrize("word", [*forms(STOPS), "opt  out", "Opt\nOut", "STOP.", "...stop", *UNUSUAL])
def test_stop_in_every_form_opts_out(alice: Api, word: str) -> None:
    hear(alice, PHONE, word)
    (lead,) = alice.get("/leads").json()["data"]
    assert flags(alice, lead) == {"sms_opted_out": True}
    refused(texting(alice, lead), 422, "compliance_blocked")


@pytest.mark.parametrize(
    "word",
    [
        "stop by at nine",
        "please stop",
        "don't stop",
        "ending",
        "s top",
        "opt-in",
        "",
        "?",
        "cancelled",
        "🙏",
        "un-stop",
    ],
)
def test_a_text_that_is_more_than_a_keyword_is_only_stored(alice: Api, word: str) -> None:
    hear(alice, PHONE, word)
    (lead,) = alice.get("/leads").json()["data"]
    assert flags(alice, lead) == {}
    assert [each["body"] for each in alice.get(f"/conversations/{lead['id']}").json()["data"]] == [word]


@pytest.mark.parametrize("word", forms(("start", "unstop"))[:6])
def test_start_in_every_form_opts_in_again(alice: Api, word: str) -> None:
    lead = alice.lead(phone=PHONE)
    hear(alice, PHONE, "stop")
    hear(alice, PHONE, word)
    assert flags(alice, lead) == {}
    assert texting(alice, lead).status_code == 201


def outbound(api: Api, lead: dict[str, Any]) -> list[dict[str, Any]]:
    messages = api.get(f"/conversations/{lead['id']}").json()["data"]
    return [message for message in messages if message["direction"] == "outbound"]


def test_a_stop_is_confirmed_once_whatever_follows(alice: Api) -> None:
    lead = alice.lead(phone=PHONE)
    for word in ("STOP", "stop", "unsubscribe", "END"):
        hear(alice, PHONE, word)
    (confirmation,) = outbound(alice, lead)
    assert "Acme Roofing" in confirmation["body"]
    assert "unsubscribed" in confirmation["body"]
    assert "START" in confirmation["body"]
    assert eventually(lambda: outbound(alice, lead)[0]["status"] == "delivered")
    assert len(outbound(alice, lead)) == 1


def test_a_stop_after_a_start_is_confirmed_again(alice: Api) -> None:
    lead = alice.lead(phone=PHONE)
    for word in ("STOP", "START", "STOP"):
        hear(alice, PHONE, word)
    assert len(outbound(alice, lead)) == 2


@pytest.mark.parametrize("word", ["help", "HELP", "Help?", '"help"'])
def test_help_is_answered_even_after_a_stop(alice: Api, word: str) -> None:
    from deskbell.organizations.model import OrganizationChanges
    from deskbell.organizations.operations import update_organization

    alice.do(lambda ctx: update_organization(ctx, OrganizationChanges(primary_phone="+15125550100")))
    lead = alice.lead(phone=PHONE)
    block(alice, "sms_opted_out")
    hear(alice, PHONE, word)
    (answer,) = outbound(alice, lead)
    assert "Acme Roofing" in answer["body"]
    assert "+15125550100" in answer["body"]
    assert outcome(alice, lead) == "delivered"
    assert flags(alice, lead) == {"sms_opted_out": True}


def test_the_keywords_are_these() -> None:
    assert set(STOPS) == keywords.STOP
    assert {"start", "unstop"} == keywords.START
    assert {"help"} == keywords.HELP


def test_ordinary_texts_pass_after_an_opt_out_of_another_number(alice: Api) -> None:
    block(alice, "sms_opted_out", "+15125550199")
    lead = alice.lead(phone=PHONE)
    say(alice, lead, "Hello")
    assert outcome(alice, lead) == "delivered"
