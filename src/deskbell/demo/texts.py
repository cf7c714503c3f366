"""The demo's threads and messages."""

from __future__ import annotations

from datetime import datetime, timedelta

from deskbell.demo.dialogues import AFTERWARDS, DIALOGUES, STOPPED, Dialogue
from deskbell.demo.making import Making, Row, day_and_time
from deskbell.foundation import clock

THREADS, MESSAGES = 90, 700


def make_texts(
    making: Making, leads: list[Row], suppressions: list[Row], team: list[Row]
) -> tuple[list[Row], list[Row]]:
    """90 threads and their 700 messages. Who has opted out did so by a text."""
    out = {row["phone"] for row in suppressions if row["opted_out_at"]}
    blocked = {row["phone"] for row in suppressions}
    free = [lead for lead in leads if lead["phone"] and lead["phone"] not in blocked]
    dialogues = [(lead, STOPPED) for lead in leads if lead["phone"] in out]
    dialogues += [
        (lead, DIALOGUES[place % len(DIALOGUES)])
        for place, lead in enumerate(making.random.sample(free, THREADS - len(dialogues)))
    ]
    threads, messages = [], []
    stops = {row["phone"]: row for row in suppressions}
    for (lead, dialogue), more in zip(dialogues, continued(making, dialogues), strict=True):
        words = placeholders(making, lead, team)
        said = conversation(making, lead, [*dialogue.lines, *more], words)
        if dialogue is STOPPED:
            stops[lead["phone"]]["opted_out_at"] = said[1]["created_at"]
        threads.append(thread(making, lead, dialogue, said, words))
        messages += said
    return threads, messages


def placeholders(making: Making, lead: Row, team: list[Row]) -> dict[str, str]:
    """What the words in braces stand for in one conversation."""
    rep = making.random.choice(team)["name"].split()[0]
    day, time = day_and_time(making.working_hour(making.random.randint(2, 6)))
    return {"first": lead["first_name"], "street": lead["address_street"], "rep": rep, "day": day, "time": time}


def continued(making: Making, dialogues: list[tuple[Row, Dialogue]]) -> list[list[str]]:
    """Which threads go on and how, until there are 700 messages. None goes on after a STOP, or says the same thing twice."""
    extra: list[list[str]] = [[] for _ in dialogues]
    missing = MESSAGES - sum(len(dialogue.lines) for _, dialogue in dialogues)
    while missing:
        place = making.random.randrange(len(dialogues))
        lines = making.random.choice([each for each in AFTERWARDS if len(each) <= missing])
        if dialogues[place][1] is not STOPPED and lines[0] not in extra[place]:
            extra[place] += lines
            missing -= len(lines)
    return extra


def conversation(making: Making, lead: Row, lines: list[str], words: dict[str, str]) -> list[Row]:
    """The messages: minutes apart, within the last days, never after today began."""
    random = making.random
    gaps = [timedelta(minutes=random.choice((1, 2, 3, 5, 8, 20, 45)), seconds=random.randrange(60)) for _ in lines]
    moment = max(making.ago(0.02, 12), clock.moment(lead["created_at"]))
    moment = min(moment, making.now - sum(gaps, timedelta(minutes=5)))
    rows = []
    for line, gap in zip(lines, gaps, strict=True):
        moment += gap
        exempt = line is STOPPED.lines[-1]
        rows.append(message(making, lead, line.removeprefix(">").format(**words), moment, line.startswith(">"), exempt))
    return rows


def message(making: Making, lead: Row, body: str, moment: datetime, outbound: bool, exempt: bool) -> Row:
    return making.row(
        moment,
        moment + timedelta(seconds=2),
        lead_id=lead["id"],
        type="sms",
        direction="outbound" if outbound else "inbound",
        body=body,
        status="delivered" if outbound else "received",
        phone=lead["phone"],
        exempt=exempt,
        sent_at=clock.of(moment + timedelta(seconds=1)),
    )


def thread(making: Making, lead: Row, dialogue: Dialogue, said: list[Row], words: dict[str, str]) -> Row:
    return making.row(
        clock.moment(said[0]["created_at"]),
        clock.moment(said[-1]["created_at"]),
        lead_id=lead["id"],
        status="closed" if dialogue.closed else "active",
        ai_summary=dialogue.summary.format(**words),
        sentiment=dialogue.sentiment,
        interest_level=dialogue.interest,
        requires_human=dialogue.human,
    )
