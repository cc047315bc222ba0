"""The people, channels and user group every simulated workspace begins with."""

from dataclasses import replace

from bot.simulator.workspace.state import BOT_USER, Channel, Person, UserGroup, Workspace

PEOPLE = (
    Person("U0ADA", "ada", "Ada", color="9f69e7", tz="Europe/London", tz_label="Greenwich Mean Time"),
    Person("U0BEN", "ben", "Ben", color="4bbe2e", tz="Europe/Berlin", tz_label="Central European Time", tz_offset=3600),
    Person("U0CLEO", "cleo", "Cleo", color="e7392d", tz="America/New_York", tz_label="Eastern Time", tz_offset=-18000),
    Person("U0DAN", "dan", "Dan", color="3c989f", tz="Asia/Tokyo", tz_label="Japan Standard Time", tz_offset=32400),
    Person("U0GUS", "gus", "Gus", kind="guest", color="db3150"),
    Person("U0EVE", "eve", "Eve", kind="deactivated", color="757575"),
    Person("U0SIA", "sia", "Sia", kind="stranger", color="684b6c"),
)

CHANNELS = (("C0GENERAL", "general"), ("C0OPSALERTS", "ops-alerts"), ("C0INCIDENTS", "incidents"))


def seed(workspace: Workspace) -> None:
    created = workspace.epoch()
    for person in PEOPLE:
        workspace.people[person.id] = replace(person, updated=created)
    bot_name = workspace.manifest.bot_name
    workspace.people[BOT_USER] = Person(
        BOT_USER, bot_name.lower(), bot_name, kind="bot", color="2eb67d", tz="UTC", tz_label="UTC"
    )
    for channel_id, name in CHANNELS:
        members = dict.fromkeys(person.id for person in PEOPLE if person.kind == "member")
        workspace.add_channel(Channel(channel_id, name, creator="U0ADA", created=created, members=members))
    workspace.channels["C0GENERAL"].members.update(dict.fromkeys(("U0GUS", "U0SIA", BOT_USER)))
    workspace.usergroups["S0SRE"] = UserGroup("S0SRE", "sre", "SRE", ["U0ADA", "U0BEN", "U0CLEO"], created)
