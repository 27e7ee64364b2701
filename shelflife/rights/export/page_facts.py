"""The page's sections about the data itself: numbers at a glance, whose it is, from where, what is computed from it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.rights.export.documents import NO_DECISIONS, data_name
from shelflife.rights.export.labels import FLAG_LABELS, PROBLEM_LABELS, STREAM_LABELS, readable, table_words
from shelflife.rights.export.markup import (
    Html,
    day,
    escape,
    file_link,
    listed,
    more,
    number,
    paragraph,
    section,
    sentence,
    short_day,
    table,
)

if TYPE_CHECKING:
    from shelflife.rights.export.contents import Contents
    from shelflife.rights.export.story import Story
    from shelflife.rights.export.tally import Source

_LATEST = 20


def tiles(contents: Contents, story: Story) -> str:
    """Return the numbers at a glance."""
    devices = {(s.make, s.model) for s in story.tally.sources.values() if s.make or s.model}
    days = {date for tally in story.tally.signals.values() for date in tally.days}
    figures = sum(story.rows[one.name] for one in contents.tables if one.kind == "derived")
    shown = [
        (number(story.samples), "measurements"),
        (number(len(days)), "days with measurements"),
        (number(len(devices)), "kinds of devices"),
        (number(figures), "rows of computed figures"),
        (number(len(contents.recipients)), "declared recipients"),
        (number(len(contents.looks)), "queries over your tables"),
    ]
    cells = "".join(f"<li><b>{count}</b><span>{words}</span></li>" for count, words in shown)
    return f'<ul class="tiles">{cells}</ul>'


def you(contents: Contents) -> str:
    """Return the section about the person's own details."""
    person = contents.person
    facts = [
        [sentence(readable(name, {})), ", ".join(value) if isinstance(value, list) else value]
        for name, value in sorted(person.facts.items())
    ]
    names = [[sentence(readable(one.kind, {})), one.value] for one in person.aliases]
    intro = (
        f"Your sources first named you on {day(person.since)}. These details are kept apart from your measurements, and "
        "everywhere else you are only known by a pseudonym."
    )
    return section(
        "you",
        "Your details",
        paragraph(intro),
        table("What is known of you", ("Detail", "As received"), facts) if facts else "",
        table("Names that sources know you by", ("Kind", "Name"), names) if names else "",
    )


def computed(contents: Contents, story: Story) -> str:
    """Return the section about figures that were computed from the person's measurements."""
    rows = [
        [
            table_words(one.table),
            one.grain.removeprefix("one row per person per "),
            f"{story.rows[one.table]:,}",
        ]
        for one in contents.computed
    ]
    formulas = "".join(
        table(
            f"{table_words(one.table)}: how each figure is computed",
            ("Figure", "Formula and source"),
            [[Html(f"<code>{escape(name)}</code>"), formula] for name, formula in one.formulas.items()],
        )
        for one in contents.computed
    )
    body = [
        table("Computed from your measurements", ("Figures", "One row per", "Rows"), rows, numeric=(2,)),
        more("Show every formula", formulas),
    ]
    return section("computed", "What is computed from it", paragraph(NO_DECISIONS), *(body if rows else ()))


def origins(story: Story) -> str:
    """Return the section about where the data came from."""
    grouped: dict[tuple[str, str], list[Source]] = {}
    for source in story.tally.sources.values():
        device = " ".join(word for word in (source.make, source.model) if word) or "Not named"
        grouped.setdefault((device, readable(source.app or source.platform, {})), []).append(source)
    largest = sorted(grouped.items(), key=lambda one: -sum(source.count for source in one[1]))
    rows = [
        [
            device,
            app,
            listed(list(dict.fromkeys(STREAM_LABELS[source.stream].lower() for source in found))),
            f"{sum(source.count for source in found):,}",
            short_day(min((source.first for source in found if source.first), default=None)),
            short_day(max((source.last for source in found if source.last), default=None)),
        ]
        for (device, app), found in largest[:_LATEST]
    ]
    odd = [
        [sentence(readable(name, FLAG_LABELS)), f"{count:,}"]
        for name, count in story.tally.flags.most_common()
    ]
    heads = ("Device", "App or platform", "Measured", "Rows", "First", "Last")
    intro = "Each measurement arrived in a file under your name. The file said which device or app had recorded it."
    return section(
        "origins",
        "Where it came from",
        paragraph(intro),
        table("Devices and apps, the largest first", heads, rows, numeric=(3,)) if rows else "",
        table("What is odd about some rows; they are kept and flagged", ("Oddity", "Rows"), odd, numeric=(1,))
        if odd
        else "",
        f'<p class="quiet">All of them, with software versions, are in {file_link("sources.json")}.</p>',
    )


def aside(contents: Contents, story: Story) -> str:
    """Return the section about rows that could not be used; nothing where there are none."""
    found = [one for one in contents.tables if one.kind == "quarantine"]
    if not found:
        return ""
    reasons = [
        [sentence(readable(reason or "bad_record", PROBLEM_LABELS)), f"{count:,}"]
        for reason, count in story.aside.most_common()
    ]
    return section(
        "aside",
        "Rows that were set aside",
        paragraph("These rows arrived under your name and could not be used. They count nowhere."),
        table("Why they were set aside", ("Reason", "Rows"), reasons, numeric=(1,)),
        f'<p class="quiet">They are in {file_link(data_name(found[0], "csv"))}.</p>',
    )
