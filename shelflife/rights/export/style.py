"""The page's style sheet: one calm column, light and dark, narrow screens, paper. No font or image is loaded."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #faf8f4; --card: #ffffff; --ink: #22252a; --soft: #5c626b; --rule: #e3ded4; --grid: #ebe7de;
  --accent: #2c5f63; --wash: #eef2ef;
  --heart: #b9475c; --heart-wash: #efc9cd; --glucose: #1f7a6d; --glucose-wash: #bfe0d8; --glucose-pale: #e0efeb;
  --activity: #c07a1f; --body: #4d6a94; --breath: #3a7ca5; --breath-wash: #c9deeb;
  --deep: #2f3f77; --light: #7f93cc; --rem: #a680bf; --unstaged: #b9c3dd; --awake: #e2b877;
  --r0: #a63a50; --r1: #d9868f; --r2: #3f9a86; --r3: #e0b75e; --r4: #c07a1f;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", P052, "Book Antiqua", Charter, Georgia, "Noto Serif", serif;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --card: #1c1f23; --ink: #e9e6e0; --soft: #a4aab2; --rule: #30343a; --grid: #2a2e33;
    --accent: #93c7c5; --wash: #1b2526;
    --heart: #ec8a97; --heart-wash: #5b2f38; --glucose: #6fcab8; --glucose-wash: #2a5a51; --glucose-pale: #213f3a;
    --activity: #e3a958; --body: #93b0da; --breath: #84bfe0; --breath-wash: #28465a;
    --deep: #6678c4; --light: #94a8e0; --rem: #b796d0; --unstaged: #5e6a86; --awake: #c79a56;
    --r0: #d8677b; --r1: #a8525e; --r2: #4fae98; --r3: #c99d49; --r4: #d98f3a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 var(--sans); }
main, .masthead, .foot { max-width: 48rem; margin: 0 auto; padding: 0 1.5rem; }
h1, h2, h3 { font-family: var(--serif); font-weight: 600; line-height: 1.2; letter-spacing: -0.01em; text-wrap: balance; }
h1 { font-size: clamp(2.1rem, 6vw, 3.1rem); margin: 0 0 1rem; }
h2 { font-size: 1.75rem; margin: 0 0 0.6rem; }
h3 { font-size: 1.15rem; margin: 2rem 0 0.4rem; }
p { margin: 0 0 1rem; max-width: 40rem; }
a { color: var(--accent); text-underline-offset: 0.18em; text-decoration-thickness: 0.06em; }
a:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; border-radius: 3px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { position: static; display: inline-block; margin: 0.5rem 1rem; }
.masthead { padding-top: clamp(2.5rem, 8vw, 5rem); padding-bottom: 1.5rem; }
.kicker { color: var(--accent); font-size: 0.95rem; font-weight: 600; margin-bottom: 0.75rem; }
.lede { font-family: var(--serif); font-size: 1.3rem; line-height: 1.5; }
.dates { color: var(--soft); font-size: 0.95rem; display: flex; flex-wrap: wrap; gap: 0.1rem 1.4rem; list-style: none; margin: 0; padding: 0; }
.contents { border-block: 1px solid var(--rule); padding: 0.85rem 0; margin: 1.5rem 0 0; }
.contents ul { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; list-style: none; margin: 0; padding: 0; font-size: 0.95rem; }
.contents a { text-decoration: none; } .contents a:hover { text-decoration: underline; }
section { padding: 2.5rem 0 0.75rem; scroll-margin-top: 1rem; }
section + section { border-top: 1px solid var(--rule); }
.tiles { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1px; background: var(--rule); border: 1px solid var(--rule);
  border-radius: 10px; overflow: hidden; margin: 1.5rem 0; padding: 0; list-style: none; }
.tiles li { background: var(--card); padding: 1rem 1.1rem; }
.tiles b { display: block; font: 600 1.7rem/1.2 var(--serif); font-variant-numeric: lining-nums; }
.tiles span { color: var(--soft); font-size: 0.92rem; line-height: 1.35; display: block; }
figure { margin: 1.5rem 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 1.1rem 1.1rem 0.9rem; }
figure h3 { margin: 0 0 0.7rem; font: 600 1rem/1.4 var(--sans); letter-spacing: 0; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; }
.narrow { display: none; }
figcaption { color: var(--soft); font-size: 0.92rem; line-height: 1.5; margin-top: 0.7rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; list-style: none; margin: 0.6rem 0 0; padding: 0; font-size: 0.92rem; color: var(--soft); }
.legend i { display: inline-block; width: 0.8rem; height: 0.8rem; border-radius: 3px; margin-right: 0.45rem; vertical-align: -0.05rem; }
.legend i.stroke { height: 0.2rem; border-radius: 2px; vertical-align: 0.22rem; }
.grid { stroke: var(--grid); stroke-width: 1; fill: none; }
.tick { fill: var(--soft); font: 12px var(--sans); font-variant-numeric: tabular-nums; }
.inbar { fill: #1c1f23; font: 600 13px var(--sans); }
.start { text-anchor: start; } .middle { text-anchor: middle; } .end { text-anchor: end; }
.line { fill: none; stroke: var(--mark); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.dot { fill: var(--card); stroke: var(--mark); stroke-width: 2; }
.bar { fill: var(--mark); } .band { fill: var(--mark-wash); }
.limit { stroke: var(--glucose); stroke-width: 1; stroke-dasharray: 2 4; fill: none; } .limits { fill: var(--glucose); font: 600 11px var(--sans); }
.outer { fill: var(--glucose-pale); } .inner { fill: var(--glucose-wash); }
.heart { --mark: var(--heart); --mark-wash: var(--heart-wash); } .sleep { --mark: var(--deep); --mark-wash: var(--light); }
.glucose { --mark: var(--glucose); --mark-wash: var(--glucose-wash); } .activity { --mark: var(--activity); --mark-wash: var(--activity); }
.body { --mark: var(--body); --mark-wash: var(--body); } .respiration { --mark: var(--breath); --mark-wash: var(--breath-wash); }
.stream h2::before { content: ""; display: block; width: 2.2rem; height: 0.3rem; border-radius: 2px; background: var(--mark); margin-bottom: 0.8rem; }
.s-deep { fill: var(--deep); background: var(--deep); } .s-light { fill: var(--light); background: var(--light); }
.s-rem { fill: var(--rem); background: var(--rem); } .s-unstaged { fill: var(--unstaged); background: var(--unstaged); }
.s-awake { fill: var(--awake); background: var(--awake); }
.r-0 { fill: var(--r0); background: var(--r0); } .r-1 { fill: var(--r1); background: var(--r1); } .r-2 { fill: var(--r2); background: var(--r2); }
.r-3 { fill: var(--r3); background: var(--r3); } .r-4 { fill: var(--r4); background: var(--r4); }
.k-band { background: var(--mark-wash); } .k-line, .k-bar { background: var(--mark); } .legend i.k-target { border-top: 2px dashed var(--glucose); height: 0; border-radius: 0; vertical-align: 0.25rem; }
.k-inner { background: var(--glucose-wash); } .k-outer { background: var(--glucose-pale); }
.scroll { overflow-x: auto; margin: 1.25rem 0; }
table { border-collapse: collapse; width: 100%; font-size: 0.95rem; line-height: 1.45; font-variant-numeric: tabular-nums lining-nums; }
caption { text-align: left; color: var(--soft); font-size: 0.92rem; padding-bottom: 0.5rem; }
th, td { text-align: left; vertical-align: top; padding: 0.5rem 1.1rem 0.5rem 0; border-bottom: 1px solid var(--rule); }
th:last-child, td:last-child { padding-right: 0; }
.few { width: auto; min-width: min(100%, 26rem); }
thead th { font-weight: 600; color: var(--soft); font-size: 0.88rem; border-bottom-width: 2px; }
tbody th { font-weight: 500; } .n { text-align: right; white-space: nowrap; padding-right: 1.6rem; } .d { white-space: nowrap; }
details { margin: 1rem 0; } summary { cursor: pointer; color: var(--accent); font-size: 0.95rem; }
.quiet { color: var(--soft); } .box { background: var(--wash); border-radius: 10px; padding: 1.1rem 1.3rem; margin: 1.25rem 0; }
.box p:last-child { margin-bottom: 0; }
.who { border-top: 1px solid var(--rule); padding: 1rem 0 0.25rem; } .who h3 { margin: 0 0 0.3rem; } .who p { margin-bottom: 0.6rem; }
.who dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1.2rem; margin: 0 0 0.8rem; font-size: 0.95rem; }
.who dt { color: var(--soft); } .who dd { margin: 0; overflow-wrap: anywhere; }
code { font: 0.9em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.foot { color: var(--soft); font-size: 0.92rem; padding-top: 2rem; padding-bottom: 4rem; }
@media (max-width: 640px) {
  body { font-size: 1rem; } main, .masthead, .foot { padding-inline: 1.1rem; } .lede { font-size: 1.15rem; }
  .wide { display: none; } .narrow { display: block; } .tiles { grid-template-columns: repeat(2, 1fr); }
  .tiles b { font-size: 1.4rem; } .tiles li { padding: 0.8rem 0.9rem; } figure { padding: 0.9rem 0.7rem 0.8rem; }
  .few { width: 100%; min-width: 0; } td, th { overflow-wrap: anywhere; }
  .stack thead { position: absolute; left: -100vw; } .stack tr { display: block; border-bottom: 1px solid var(--rule); padding: 0.6rem 0; }
  .stack th, .stack td { display: flex; justify-content: space-between; gap: 1.5rem; border: 0; padding: 0.12rem 0; text-align: right; white-space: normal; }
  .stack tbody th { text-align: left; font-weight: 600; } .stack td::before { content: attr(data-label); color: var(--soft); text-align: left; flex: none; }
  .stack td:empty { display: none; }
}
@media print {
  :root { --paper: #fff; --card: #fff; --wash: #f5f5f2; }
  @page { margin: 18mm 16mm; }
  html { font-size: 12.5px; } body { font-size: 1rem; line-height: 1.45; } main, .masthead, .foot { max-width: none; padding-inline: 0; }
  .masthead { padding-top: 0; } .contents, .skip, details:not([open]) { display: none; } .lede { font-size: 1.25rem; } figure { max-width: 160mm; }
  section { padding: 1.2rem 0 0.3rem; } h2, h3, caption, .stream > p:first-of-type { break-after: avoid; } figure, tr, h2, p, .tiles, .box, .who { break-inside: avoid; }
  .wide { display: block; } .narrow { display: none; } a { color: inherit; text-decoration: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
"""
