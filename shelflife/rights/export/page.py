"""The page that a person reads first: one HTML file that loads nothing and needs no script. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.rights.export import page_duties as duties
from shelflife.rights.export import page_facts as facts
from shelflife.rights.export.labels import STREAM_LABELS
from shelflife.rights.export.markup import counted, day, escape, listed, paragraph, section
from shelflife.rights.export.page_streams import stream_section
from shelflife.rights.export.style import STYLE

if TYPE_CHECKING:
    from shelflife.rights.export.contents import Contents
    from shelflife.rights.export.story import Story

# The page forbids itself to load or run anything, should anything ever slip into it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(contents: Contents, story: Story) -> str:
    """Return the whole page."""
    streams = [table for table in contents.tables if table.kind == "samples"]
    body = [
        section("overview", "At a glance", facts.tiles(contents, story), _notes(contents)),
        *(stream_section(stream, story) for stream in streams),
        facts.computed(contents, story),
        facts.aside(contents, story),
        facts.you(contents),
        facts.origins(story),
        duties.recipients(contents),
        duties.looks(contents),
        duties.retention(contents),
        duties.withheld(contents),
        duties.consents(contents),
        duties.rights(contents),
        duties.files(contents),
    ]
    title = f"What we hold about you, {day(contents.made_at.date())}"
    sections = "\n".join(part for part in body if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the content</a>\n'
        f"{_masthead(contents, story)}\n"
        f'<main id="main">\n{sections}\n</main>\n{_foot(contents)}\n</body>\n</html>\n'
    )


def _masthead(contents: Contents, story: Story) -> str:
    names = [("overview", "At a glance")]
    names += [(table.name, STREAM_LABELS[table.name]) for table in contents.tables if table.kind == "samples"]
    names += [
        ("you", "Your details"),
        ("origins", "Origins"),
        ("recipients", "Recipients"),
        ("looks", "Who looked"),
        ("retention", "How long"),
        ("withheld", "Left out"),
        ("rights", "Your rights"),
        ("files", "Files"),
    ]
    links = "".join(f'<li><a href="#{name}">{escape(words)}</a></li>' for name, words in names)
    kicker = paragraph(contents.controller.name, "kicker") if contents.controller.name else ""
    dates = (
        f"Made on {day(contents.made_at.date())}",
        f"Sealed file opens until {day(contents.expires_at.date())}",
        f"Request {contents.request_id}",
    )
    stamped = "".join(f"<li>{escape(text)}</li>" for text in dates)
    return (
        f'<header class="masthead">{kicker}<h1>What we hold about you</h1>{paragraph(_lede(contents, story), "lede")}'
        f'<ul class="dates">{stamped}</ul><nav class="contents" aria-label="Contents"><ul>{links}</ul></nav></header>'
    )


def _lede(contents: Contents, story: Story) -> str:
    streams = [STREAM_LABELS[table.name].lower() for table in contents.tables if table.kind == "samples"]
    span = story.tally.span()
    if not streams or span is None:
        return "No measurements of yours are kept. This page shows what else is known, and what you can do about it."
    first, last = day(span[0]), day(span[1])
    when = f"on {first}" if first == last else f"between {first} and {last}"
    return (
        f"This page shows all of it: {counted(story.samples, 'measurement')} of your {listed(streams)}, taken {when}. It "
        "also says where they came from, who saw them, how long they stay, and what you can do about it."
    )


def _notes(contents: Contents) -> str:
    return paragraph(
        f"The page only sums up. The data itself lies in the files beside it, {counted(len(contents.tables), 'table')} in "
        "all, each in three formats. It describes what devices recorded and is no medical advice.",
        "quiet",
    )


def _foot(contents: Contents) -> str:
    contact = f" Questions: {escape(contents.controller.contact)}." if contents.controller.contact else ""
    return (
        '<footer class="foot"><p>This page is part of a sealed export made with shelflife. Once unpacked, it is as safe as '
        "the place where you keep it: it holds health data of yours. It loads nothing from the network, and reading it "
        f"tells nobody anything.{contact}</p><p>Export <code>{escape(contents.export_id)}</code></p></footer>"
    )
