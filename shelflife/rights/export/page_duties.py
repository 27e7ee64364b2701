"""The page's sections about what others do with the data, for how long, and what the person can do. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from shelflife.rights.export.documents import (
    HANDOVER_NOTE,
    NO_CONSENTS,
    NO_RECIPIENTS,
    NO_REGIME,
    QUERY_NOTE,
    data_name,
)
from shelflife.rights.export.labels import STREAM_LABELS, readable, table_words
from shelflife.rights.export.markup import (
    Html,
    counted,
    day,
    escape,
    file_link,
    listed,
    more,
    paragraph,
    section,
    sentence,
    short_day,
    table,
)

if TYPE_CHECKING:
    import datetime as dt

    from shelflife.rights.export.contents import Contents, ExportTable, Recipient

_LATEST = 20
_RECIPIENT_WORDS = {
    "processor": "A company that works on behalf of the organisation",
    "affiliate": "A company of the same group",
    "third_party": "Another organisation, which uses it for its own purposes",
    "authority": "An authority",
    "copy": "A copy that the organisation itself keeps outside of the vault",
}


def recipients(contents: Contents) -> str:
    """Return the section about who received the data."""
    if not contents.recipients:
        return section("recipients", "Who received it", paragraph(NO_RECIPIENTS))
    return section("recipients", "Who received it", *map(_recipient, contents.recipients))


def _recipient(one: Recipient) -> str:
    said = (
        ("Received", listed([table_words(name) for name in one.data])),
        ("For", one.purpose),
        ("On the basis of", one.basis),
        ("When", _between(day(one.first), day(one.last))),
        ("Where", one.transfer),
        ("Contact", one.contact),
    )
    lines = "".join(f"<dt>{words}</dt><dd>{escape(value)}</dd>" for words, value in said if value)
    kind = paragraph(_RECIPIENT_WORDS[one.kind], "quiet")
    return f'<div class="who"><h3>{escape(one.name)}</h3>{kind}<dl>{lines}</dl></div>'


def looks(contents: Contents) -> str:
    """Return the section about who looked."""
    handed = f"{HANDOVER_NOTE} That happened {counted(len(contents.handovers), 'time')} since you are known."
    if not contents.looks:
        intro = paragraph("No query has read a table that holds rows of yours.")
        return section("looks", "Who looked", intro, paragraph(handed, "quiet"))
    purposes = Counter((look.purpose, look.role) for look in contents.looks)
    summary = [
        [sentence(readable(purpose, {})), readable(role, {}), f"{count:,}"]
        for (purpose, role), count in purposes.most_common()
    ]
    latest = [
        [
            f"{day(look.at.date())}, {look.at:%H:%M} UTC",
            readable(look.purpose, {}),
            readable(look.role, {}),
            listed([table_words(name) for name in look.tables]),
        ]
        for look in reversed(contents.looks[-_LATEST:])
    ]
    return section(
        "looks",
        "Who looked",
        paragraph(QUERY_NOTE),
        table("Queries by purpose", ("Purpose", "In the role of", "Queries"), summary, numeric=(2,)),
        more(
            "Show the latest queries",
            table("Latest queries, newest first", ("When", "Purpose", "In the role of", "Tables"), latest),
        ),
        paragraph(handed, "quiet"),
        f'<p class="quiet">Every entry is in {file_link("access_log.json")}.</p>',
    )


def retention(contents: Contents) -> str:
    """Return the section about how long everything is kept; tables under the same rule share a row."""
    grouped: dict[tuple[str, str, dt.date | None, dt.date | None], list[str]] = {}
    for line in contents.retention:
        key = (_kept(line.words), line.reason, line.first_expiry, line.last_expiry)
        grouped.setdefault(key, []).append(table_words(line.table))
    rows = [
        [
            listed(names),
            Html(f'<span class="d">{escape(kept)}</span>'),
            short_day(first),
            short_day(last),
            reason,
        ]
        for (kept, reason, first, last), names in grouped.items()
    ]
    heads = ("What", "Kept for", "Oldest goes on", "Newest goes on", "Why this long")
    after = sorted({line.files_gone for line in contents.retention if line.files_gone})
    return section(
        "retention",
        "How long we keep it",
        paragraph(
            "When its time is over, the keys to your data are destroyed, and nobody can read it any more."
        ),
        table("Retention, table by table", heads, rows),
        more("What becomes of the files", *(paragraph(text) for text in after)) if after else "",
    )


def withheld(contents: Contents) -> str:
    """Return the section about what was left out, and why."""
    rows = [[one.what, one.why, one.rule] for one in contents.withheld]
    return section(
        "withheld",
        "What was left out, and why",
        table("Left out of this export", ("What", "Why", "Rule"), rows) if rows else paragraph("Nothing."),
        paragraph(f"Looked for, since the law forbids to send it: {listed(contents.looked_for)}.", "quiet")
        if contents.looked_for
        else "",
    )


def consents(contents: Contents) -> str:
    """Return the section about consents: the decision that counts for each stream and purpose."""
    counting = [one for one in contents.consents if one.counts]
    rows = [
        [
            STREAM_LABELS[one.stream],
            one.purpose,
            one.decision,
            day(one.decided_at.date()),
            one.method.replace("_", " "),
            day(one.expires_at.date()) if one.expires_at else "",
        ]
        for one in sorted(counting, key=lambda one: (one.stream, one.purpose))
    ]
    heads = ("About", "For", "Decision", "On", "How", "Ends")
    told = table("What you decided last", heads, rows) if rows else paragraph(NO_CONSENTS)
    return section("consents", "Your consents", told)


def rights(contents: Contents) -> str:
    """Return the section about what the person can ask for."""
    parts = []
    for right in contents.rights:
        asks = "".join(f"<li>{escape(words)}</li>" for words in right.rights)
        parts += [
            f"<h3>{escape(right.regime)}</h3><ul>{asks}</ul>",
            paragraph(f"{right.answer} {right.complaint}"),
        ]
    contact = contents.controller.contact
    where = (
        f"Write to {contact} and name the request {contents.request_id}."
        if contact
        else f"Ask in the way that you asked for this export, and name the request {contents.request_id}."
    )
    if not contents.rights:
        parts.append(paragraph(NO_REGIME))
    return section("rights", "What you can do", f'<div class="box">{paragraph(where)}</div>', *parts)


def files(contents: Contents) -> str:
    """Return the section about the files of the package."""
    data = [
        [
            _file_words(one),
            Html(listed([file_link(data_name(one, suffix)) for suffix in ("csv", "ndjson", "parquet")])),
        ]
        for one in (*contents.tables, *contents.copies)
    ]
    about = [
        ("dictionary.json", "What every column and every word in the data means, with units and time zones"),
        ("fhir/bundle.json", "The measurements in FHIR R4, the format that health systems exchange"),
        ("profile.json", "Your details"),
        ("retention.json", "How long each table is kept"),
        ("recipients.json", "Who received your data"),
        ("access_log.json", "Who looked, when and what for"),
        ("sources.json", "Where it came from"),
        ("automated_decisions.json", "How figures about you are computed"),
        ("consents.json", "Your consents"),
        ("rights.json", "What you can ask for"),
        ("withheld.json", "What was left out"),
        ("manifest.json", "Every file with its SHA-256, signed in manifest.sig"),
    ]
    links = [[Html(file_link(name)), words] for name, words in about]
    return section(
        "files",
        "The files of this export",
        paragraph(
            "CSV opens in a spreadsheet, NDJSON and Parquet are for programs; the three hold the same rows. Times are in "
            "UTC; the column utc_offset_min says how far your own clock was from it."
        ),
        table("Data", ("What", "Files"), data),
        table("About the data", ("File", "What it holds"), links),
    )


def _file_words(one: ExportTable) -> str:
    """Return what a table is called in the list of files; of a copy, whose it is."""
    if one.kind != "copy":
        return table_words(one.name)
    copy, _, dataset = one.name.partition("/")
    return f"{table_words(dataset)}, as the copy {copy} holds it"


def _kept(words: str) -> str:
    return (
        words.removeprefix("Rows are kept for ").partition(" after ")[0]
        if words.startswith("Rows")
        else words
    )


def _between(first: str, last: str) -> str:
    return f"{first} to {last}" if first and last and first != last else first or last
