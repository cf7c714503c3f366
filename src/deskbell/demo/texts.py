"""The demo's threads and messages."""

from __future__ import annotations

from datetime import datetime, timedelta

from deskbell.demo.builder import DemoBuilder, Row, day_and_time
from deskbell.demo.dialogues import AFTERWARDS, DIALOGUES, STOPPED, Dialogue
from deskbell.foundation import clock

THREADS, MESSAGES = 90, 700


def make_texts(
    builder: DemoBuilder, leads: list[Row], suppressions: list[Row], team: list[Row]
) -> tuple[list[Row], list[Row]]:
    """90 threads and their 700 messages. Numbers that have opted out did so by a text."""
    opted_out = {row["phone"] for row in suppressions if row["opted_out_at"]}
    blocked = {row["phone"] for row in suppressions}
    reachable = [lead for lead in leads if lead["phone"] and lead["phone"] not in blocked]
    dialogues = [(lead, STOPPED) for lead in leads if lead["phone"] in opted_out]
    dialogues += [
        (lead, DIALOGUES[index % len(DIALOGUES)])
        for index, lead in enumerate(builder.random.sample(reachable, THREADS - len(dialogues)))
    ]
    threads, messages = [], []
    stops = {row["phone"]: row for row in suppressions}
    for (lead, dialogue), more in zip(dialogues, continued(builder, dialogues), strict=True):
        words = placeholders(builder, lead, team)
        thread_messages = conversation(builder, lead, [*dialogue.lines, *more], words)
        if dialogue is STOPPED:
            stops[lead["phone"]]["opted_out_at"] = thread_messages[1]["created_at"]
        threads.append(thread(builder, lead, dialogue, thread_messages, words))
        messages += thread_messages
    return threads, messages


def placeholders(builder: DemoBuilder, lead: Row, team: list[Row]) -> dict[str, str]:
    """The values of the placeholders in one conversation."""
    rep = builder.random.choice(team)["name"].split()[0]
    day, time = day_and_time(builder.working_hour(builder.random.randint(2, 6)))
    return {"first": lead["first_name"], "street": lead["address_street"], "rep": rep, "day": day, "time": time}


def continued(builder: DemoBuilder, dialogues: list[tuple[Row, Dialogue]]) -> list[list[str]]:
    """Extra lines for some threads, up to 700 messages in total. None follow a STOP, and no thread has the same lines twice."""
    extra: list[list[str]] = [[] for _ in dialogues]
    missing = MESSAGES - sum(len(dialogue.lines) for _, dialogue in dialogues)
    while missing:
        index = builder.random.randrange(len(dialogues))
        lines = builder.random.choice([each for each in AFTERWARDS if len(each) <= missing])
        if dialogues[index][1] is not STOPPED and lines[0] not in extra[index]:
            extra[index] += lines
            missing -= len(lines)
    return extra


def conversation(builder: DemoBuilder, lead: Row, lines: list[str], words: dict[str, str]) -> list[Row]:
    """The messages: minutes apart, in recent days, before today's midnight."""
    random = builder.random
    gaps = [timedelta(minutes=random.choice((1, 2, 3, 5, 8, 20, 45)), seconds=random.randrange(60)) for _ in lines]
    moment = max(builder.ago(0.02, 12), clock.moment(lead["created_at"]))
    moment = min(moment, builder.now - sum(gaps, timedelta(minutes=5)))
    rows = []
    for line, gap in zip(lines, gaps, strict=True):
        moment += gap
        compliance_reply = line is STOPPED.lines[-1]
        rows.append(
            message(
                builder, lead, line.removeprefix(">").format(**words), moment, line.startswith(">"), compliance_reply
            )
        )
    return rows


def message(
    builder: DemoBuilder, lead: Row, body: str, moment: datetime, outbound: bool, compliance_reply: bool
) -> Row:
    return builder.row(
        moment,
        moment + timedelta(seconds=2),
        lead_id=lead["id"],
        type="sms",
        direction="outbound" if outbound else "inbound",
        body=body,
        status="delivered" if outbound else "received",
        phone=lead["phone"],
        exempt=compliance_reply,
        sent_at=clock.of(moment + timedelta(seconds=1)),
    )


def thread(builder: DemoBuilder, lead: Row, dialogue: Dialogue, messages: list[Row], words: dict[str, str]) -> Row:
    return builder.row(
        clock.moment(messages[0]["created_at"]),
        clock.moment(messages[-1]["created_at"]),
        lead_id=lead["id"],
        status="closed" if dialogue.closed else "active",
        ai_summary=dialogue.summary.format(**words),
        sentiment=dialogue.sentiment,
        interest_level=dialogue.interest,
        requires_human=dialogue.human,
    )
