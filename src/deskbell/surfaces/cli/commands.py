"""The table of commands. A command's module is imported when it is called, so that `deskbell --help` is quick."""

from __future__ import annotations

import click

#: Every command and what it does.
COMMANDS = {
    "serve": "Serve the API until Ctrl-C.",
    "demo": "Create a demo organization and print commands to try.",
    "org": "Create, list, show and update organizations.",
    "key": "Create, list, update and revoke API keys.",
    "app": "Create, list and revoke applications and their keys.",
    "agent": "Create, publish and inspect agents.",
    "kb": "Create, fill and search knowledge bases.",
    "credits": "Add credits, set budgets and show usage.",
    "person": "Add, list, update and remove members of a team.",
    "group": "Create, list, update and delete groups of people.",
    "grant": "Give people and groups rights on agents and knowledge bases.",
    "dnc": "Maintain the do-not-call list.",
    "lead": "Erase a person permanently.",
    "events": "List and follow what happens.",
    "mcp": "Connect AI clients (MCP) that start a local program.",
    "simulate": "Simulate an incoming text.",
    "jobs": "List, retry and drop background jobs.",
    "backup": "Copy the database while it is in use.",
    "restore": "Replace the database with a backup.",
    "migrate": "Bring the database's schema up to date.",
    "copy": "Move the data from SQLite to PostgreSQL.",
    "embedder": "Install the offline model for search by meaning.",
    "doctor": "Check the installation and say how to fix problems.",
    "version": "Print the version.",
}


def load(name: str) -> click.Command:
    """The command of that name."""
    match name:
        case "serve":
            from deskbell.surfaces.cli.serve import serve

            return serve
        case "demo":
            from deskbell.surfaces.cli.demo import demo

            return demo
        case "org":
            from deskbell.surfaces.cli.organizations import org

            return org
        case "key":
            from deskbell.surfaces.cli.keys import key

            return key
        case "app":
            from deskbell.surfaces.cli.applications import app

            return app
        case "agent":
            from deskbell.surfaces.cli.agents import agent

            return agent
        case "kb":
            from deskbell.surfaces.cli.knowledge import kb

            return kb
        case "credits":
            from deskbell.surfaces.cli.credits import credits

            return credits
        case "person":
            from deskbell.surfaces.cli.people import person

            return person
        case "group":
            from deskbell.surfaces.cli.groups import group

            return group
        case "grant":
            from deskbell.surfaces.cli.grants import grant

            return grant
        case "dnc":
            from deskbell.surfaces.cli.dnc import dnc

            return dnc
        case "lead":
            from deskbell.surfaces.cli.leads import lead

            return lead
        case "events":
            from deskbell.surfaces.cli.events import events

            return events
        case "mcp":
            from deskbell.surfaces.cli.mcp import mcp

            return mcp
        case "simulate":
            from deskbell.surfaces.cli.simulate import simulate

            return simulate
        case "jobs":
            from deskbell.surfaces.cli.jobs import jobs

            return jobs
        case "backup":
            from deskbell.surfaces.cli.data import backup

            return backup
        case "restore":
            from deskbell.surfaces.cli.data import restore

            return restore
        case "migrate":
            from deskbell.surfaces.cli.data import migrate

            return migrate
        case "copy":
            from deskbell.surfaces.cli.copying import copy

            return copy
        case "embedder":
            from deskbell.surfaces.cli.embedder import embedder

            return embedder
        case "doctor":
            from deskbell.surfaces.cli.doctor import doctor

            return doctor
        case "version":
            from deskbell.surfaces.cli.version import version

            return version
        case _:
            raise KeyError(name)
