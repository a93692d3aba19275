/** The style sheet of report.html. Colours are variables, so that dark and light differ in one place; nothing depends on colour alone. */

export const STYLE = `
:root {
  --text: #1c2024; --soft: #60646c; --page: #fcfcfd; --card: #fff; --line: #dfe1e6; --link: #0b61c4; --gap: transparent;
  --good: #17723b; --good-back: #e3f5e9; --bad: #c22f24; --bad-back: #fdeceb; --warn: #8a5a00; --warn-back: #fff3d6; --heat-rgb: 214 72 60;
  --phase-load: #a8b0bd; --phase-prepare_image: #8f6ad8; --phase-create: #2f87d8; --phase-start: #22a3b8; --phase-healthcheck: #5fb760;
  --phase-oracle: #e0a21b; --phase-verifier: #d9683c; --phase-collect: #b45c93; --phase-teardown: #7d8794;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e8eaed; --soft: #a3a8b1; --page: #121417; --card: #1a1d21; --line: #33373e; --link: #7db7ff;
    --good: #6fd08f; --good-back: #16301f; --bad: #ff8d83; --bad-back: #3a1d1b; --warn: #f0c36b; --warn-back: #382b10; --heat-rgb: 224 92 80;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4rem; }
body { margin: 0; color: var(--text); background: var(--page); font: 15px/1.5 system-ui, sans-serif; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }
header { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: center; padding: .5rem 1rem; background: var(--card); border-bottom: 1px solid var(--line); }
header strong { max-width: 14rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
nav { display: flex; gap: .8rem; }
nav a[aria-current=true] { color: var(--text); font-weight: 600; }
input { flex: 1 1 14rem; min-width: 0; padding: .35rem .6rem; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: 6px; font: 14px ui-monospace, monospace; }
main { max-width: 78rem; margin: 0 auto; padding: 1rem; }
footer { max-width: 78rem; margin: 0 auto; padding: 1rem; color: var(--soft); font-size: 13px; }
section { margin: 0 0 1.2rem; padding: .8rem 1rem 1rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
h1 { margin: .2rem 0; font-size: 1.35rem; overflow-wrap: anywhere; }
h2 { margin: 0 0 .6rem; font-size: 1.05rem; }
h3 { margin: .8rem 0 .2rem; font-size: .95rem; }
small { color: var(--soft); font-size: 13px; font-weight: 400; }
p { margin: .4rem 0; }
ul { margin: .3rem 0; padding-left: 1.2rem; }
li { overflow-wrap: anywhere; }
code, pre, kbd { font: 13px/1.45 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
kbd { padding: 0 .3em; border: 1px solid var(--line); border-radius: 4px; }
pre { margin: .4rem 0; padding: .5rem .7rem; overflow-x: auto; background: var(--page); border: 1px solid var(--line); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; }
pre.log { max-height: 26rem; overflow: auto; }
pre.cause { margin-left: 1rem; }
summary { cursor: pointer; padding: .2rem 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { color: var(--soft); font-weight: 500; }
tbody th { font-weight: 500; }
tbody tr:last-child > * { border-bottom: 0; }
.numbers td, .numbers thead th:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums; }
.rates td:nth-child(2), .rates thead th:nth-child(2) { text-align: left !important; }
.absent { color: var(--warn); white-space: normal; }
.grid td, .grid thead th:not(:first-child) { text-align: center; padding: .2rem .4rem; }
.grid tbody th { position: sticky; left: 0; max-width: 26rem; overflow: hidden; text-overflow: ellipsis; background: var(--card); }
.grid tbody th small { display: block; }
.cell { display: block; padding: 0 .4rem; border-radius: 4px; }
.cell.fail, .cell.error { background: var(--bad-back); font-weight: 600; }
.cell.cancelled { background: var(--warn-back); }
.zero { color: var(--soft); opacity: .6; }
.heat { display: block; min-width: 2.2rem; padding: .1rem .4rem; border-radius: 4px; color: var(--text); background: rgb(var(--heat-rgb) / calc(.15 + .55 * var(--heat))); font-weight: 600; }
.verdict.pass { border-color: var(--good); background: var(--good-back); }
.verdict.fail { border-color: var(--bad); background: var(--bad-back); }
.outcome { white-space: nowrap; }
.outcome b { display: inline-block; min-width: 1.1em; text-align: center; }
.state { padding-left: 1rem; color: var(--soft); font-size: 13px; }
.outcome.pass { color: var(--good); }
.outcome.fail, .outcome.error { color: var(--bad); }
.outcome.unsupported, .outcome.not_run { color: var(--soft); }
.outcome.cancelled, .unlike { color: var(--warn); }
.problem { padding: .4rem .7rem; color: var(--warn); background: var(--warn-back); border-radius: 6px; }
.rate { white-space: nowrap; }
.meter { display: inline-block; width: 5rem; height: .6rem; margin-right: .5rem; border-radius: 3px; background: linear-gradient(90deg, var(--good) calc(100% * var(--share)), var(--bad-back) 0); box-shadow: inset 0 0 0 1px var(--line); }
table .meter { background: linear-gradient(90deg, var(--phase-create) calc(100% * var(--share)), transparent 0); }
table .rate .meter { background: linear-gradient(90deg, var(--good) calc(100% * var(--share)), var(--bad) 0); }
table .meter.late { background: linear-gradient(90deg, var(--bad) calc(100% * var(--share)), transparent 0); }
.trend { display: inline-flex; gap: 2px; align-items: flex-end; height: 1.5rem; margin-right: .4rem; vertical-align: middle; }
.trend i { width: 6px; height: calc(100% * var(--share)); border-radius: 1px; background: var(--phase-create); }
.trend i.good { background: var(--good); }
.trend i.bad { background: var(--bad); }
.trend i.none { background: none; box-shadow: inset 0 0 0 1px var(--line); }
.trend i.partial { opacity: .45; }
.trends td, .trends th { vertical-align: middle; }
.chips { display: flex; flex-wrap: wrap; gap: .3rem; align-items: center; color: var(--soft); }
.chip { padding: 0 .6rem; border: 1px solid var(--line); border-radius: 99px; background: var(--card); font-size: 13px; line-height: 1.7; }
.chip.on { color: var(--text); border-color: var(--text); }
.rows { border: 1px solid var(--line); border-radius: 8px; overflow: hidden; background: var(--card); }
.row { display: grid; grid-template-columns: 8rem minmax(0, 1fr) 8rem 5rem; gap: 0 .8rem; padding: .3rem .8rem; color: inherit; border-bottom: 1px solid var(--line); content-visibility: auto; contain-intrinsic-size: auto 2.2rem; }
.row:last-child { border-bottom: 0; }
.row:hover, .row:focus { background: var(--page); text-decoration: none; }
.row:focus-visible { outline-offset: -2px; }
.row .task { font-weight: 500; overflow-wrap: anywhere; }
.row .time { text-align: right; font-variant-numeric: tabular-nums; }
.row .why { grid-column: 2 / -1; color: var(--soft); font-size: 13px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.row em { margin-left: .4rem; padding: 0 .4rem; border: 1px solid var(--line); border-radius: 99px; color: var(--soft); font-size: 12px; font-style: normal; font-weight: 400; white-space: nowrap; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem .9rem; color: var(--soft); font-size: 13px; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .3rem; border-radius: 2px; background: var(--phases); vertical-align: -1px; }
.slot { position: relative; height: 16px; margin: 2px 0; background: var(--page); border-radius: 3px; }
.bar { position: absolute; top: 0; bottom: 0; left: var(--left); width: max(2px, calc(var(--width) - 1px)); background: var(--phases); border-radius: 2px; }
.bar.fail, .bar.error { box-shadow: inset 0 -4px 0 var(--bad), 0 0 0 1px var(--bad); }
.bar:hover { outline: 2px solid var(--text); z-index: 1; }
.phasebar { height: 1.3rem; background: var(--phases); border-radius: 4px; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1rem; margin: .4rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.command { display: flex; flex-wrap: wrap; gap: .3rem .8rem; align-items: center; margin: .3rem 0; }
.command span { flex: 0 0 6.5rem; color: var(--soft); }
.command code { flex: 1 1 16rem; padding: .25rem .5rem; background: var(--page); border: 1px solid var(--line); border-radius: 6px; }
button { padding: .2rem .7rem; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px; font: inherit; font-size: 13px; cursor: pointer; }
@media (max-width: 40rem) {
  main { padding: .6rem; }
  section { padding: .6rem .7rem .8rem; }
  input { flex-basis: 100%; }
  .row { grid-template-columns: minmax(0, 1fr) auto auto; padding: .4rem .6rem; }
  .row .task { grid-row: 1; grid-column: 1 / -1; }
  .row .outcome, .row .provider, .row .time { grid-row: 2; }
  .row .why { grid-column: 1 / -1; grid-row: 3; }
  .grid tbody th { max-width: 9.5rem; }
  .grid thead th:not(:first-child) { writing-mode: vertical-rl; vertical-align: bottom; padding: .3rem 0; }
  .grid thead th:first-child { vertical-align: bottom; }
  .grid td { padding: .2rem .15rem; }
  .grid td .word { display: none; }
  .heat { min-width: 1.4rem; padding: .1rem; }
}
@media (prefers-reduced-motion: no-preference) { .row, .chip { transition: background .1s; } }
`;
