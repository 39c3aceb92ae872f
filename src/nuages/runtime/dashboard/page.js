// The page: facts come from facts.json, and on loopback from a stream; each part is drawn anew only when it has changed.
// Nothing is put in as HTML: whatever a host says is text.
"use strict";

const $ = (id) => document.getElementById(id);
const state = { facts: null, job: null, readonly: true, key: "", drawn: {}, open: new Set(), mine: "", logs: [], stream: null, processes: "" };
const KEY = "nuages-key";
const OLD = 60; // seconds after which what is shown is called old
const LINES = 1500;
const CLOSED = "nuages-closed"; // the change whose panel was closed in this tab
const STALE = 600; // seconds after which one that has ended is no news to who comes now
const RECENT = 12; // changes in the list before the older ones

function h(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return made;
}

// --- words ----------------------------------------------------------------------------------------------

const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
const short = (commit) => (commit || "").slice(0, 8);

function ago(seconds) {
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (seconds >= size) return `${Math.round(seconds / size)} ${name}`;
  return `${Math.max(0, Math.round(seconds))} s`;
}

const since = (at) => (at ? ago(Date.now() / 1000 - (typeof at === "number" ? at : Date.parse(at) / 1000)) : "");

function when(at) {
  const date = new Date(typeof at === "number" ? at * 1000 : at);
  return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, `${since(at)} ago`);
}

function bytes(number) {
  for (const [size, name] of [[2 ** 40, "TB"], [2 ** 30, "GB"], [2 ** 20, "MB"]]) if (number >= size) return `${(number / size).toFixed(number >= 10 * size ? 0 : 1)} ${name}`;
  return `${Math.round(number / 1024)} KB`;
}

function seconds(value) {
  if (value === null || value === undefined) return "–";
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
}

function source(release) {
  if (!release.commit) return "working tree";
  return short(release.commit) + (release.dirty ? " + changes" : "");
}

function pairs(...rows) {
  const shown = rows.filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false);
  return h("dl", { class: "facts" }, ...shown.flatMap(([name, ...value]) => [h("dt", {}, name), h("dd", {}, ...value)]));
}

// --- parts ------------------------------------------------------------------------------------------------

const VERDICTS = {
  healthy: ["good", "Running"], degraded: ["warned", "Running, with problems"], down: ["broken", "Down"],
  "never deployed": ["", "Not deployed yet"], unknown: ["broken", "Can't be reached"],
};

function drawHeader(facts) {
  const name = facts.site + (facts.environment && facts.environment !== "production" && !facts.site.endsWith(`-${facts.environment}`) ? ` (${facts.environment})` : "");
  $("site").textContent = name;
  let [kind, words] = VERDICTS[facts.verdict] || ["broken", "Unknown"];
  if (facts.verdict === "degraded" && facts.state !== "running") [kind, words] = ["warned", "With problems"];
  if (facts.maintenance && kind !== "broken") [kind, words] = ["warned", "Maintenance page is on"];
  $("verdict").className = `verdict ${kind}`;
  $("verdict").lastElementChild.textContent = words;
  document.title = `${kind === "good" ? "" : "! "}${name}: ${words}`;
  const url = $("url");
  url.hidden = !/^https?:\/\//.test(facts.url || "");
  if (!url.hidden) {
    url.href = facts.url;
    url.rel = "noreferrer";
    url.textContent = facts.url.replace(/\/$/, "");
  }
}

function drawAge() {
  if (!state.facts) return;
  const old = Date.now() / 1000 - state.facts.at;
  $("age").textContent = !state.facts.at ? "" : old < 3 ? "just now" : `as of ${ago(old)} ago`;
  $("age").className = old > (state.readonly ? 2 * OLD : OLD) ? "age old" : "age";
}

function drawAttention(facts) {
  const list = facts.attention || [];
  const lock = facts.lock && facts.lock.who && !(state.job && !state.job.ended) ? facts.lock : null;
  const items = list.map((each) => h("li", { class: `is-${each.level}` },
    h("span", { class: "what" }, each.what), each.hint && h("span", { class: "hint" }, ` – ${each.hint}`)));
  if (lock) items.unshift(h("li", { class: "is-note" }, h("span", { class: "what" }, `nuages ${lock.what} is under way`),
    h("span", { class: "hint" }, ` – by ${lock.who} on ${lock.machine}, for ${since(lock.since)}${lock.reason ? `: ${lock.reason}` : ""}`)));
  $("attention").replaceChildren(...items);
  $("attention").hidden = !items.length;
}

function drawRelease(facts) {
  const release = facts.release || {};
  if (!release.number) {
    $("release").replaceChildren(h("p", { class: "soft" }, "Nothing is live yet."));
    return;
  }
  $("release").replaceChildren(
    h("div", { class: "release-head" }, h("p", { class: "number" }, `v${release.number}`), h("p", { class: "soft" }, "for ", h("span", {}, since(release.at)))),
    pairs(["code", h("span", { class: "mono" }, source(release))], ["why", release.why], ["by", release.by], ["configuration", `v${release.config}`],
      ["Django", release.django], ["Python", release.python]));
}

function drawActions(facts) {
  const busy = state.job && !state.job.ended;
  const live = Boolean(facts.release && facts.release.number);
  const button = (words, wish, kind = "") => h("button", { type: "button", class: kind, disabled: Boolean(busy), onclick: () => ask(wish) }, words);
  $("actions").replaceChildren(
    button("Deploy", { what: "deploy" }, "first"),
    live ? button("Restart", { what: "restart" }) : "",
    live ? button(facts.maintenance ? "Maintenance off" : "Maintenance on", { what: "maintenance", on: !facts.maintenance }) : "");
  $("actions").hidden = state.readonly;
}

function drawTraffic(facts) {
  const traffic = facts.traffic;
  if (!traffic || !traffic.requests) {
    $("traffic").replaceChildren(h("p", { class: "soft" }, traffic ? "Nobody has asked for anything in the last hour." : "Nothing is known of requests yet."));
    return;
  }
  const row = charts.hour(traffic.minutes, facts.at);
  const most = Math.max(...row.map((minute) => minute.requests));
  const slowest = Math.max(...row.map((minute) => minute.p95 || 0));
  const share = traffic.error_share * 100;
  const number = (value, name, kind = "") => h("div", { class: "count" }, h("p", { class: `number ${kind}` }, value), h("p", { class: "name" }, name));
  const axis = () => h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, "1 h ago"), h("span", {}, "now"));
  $("traffic").replaceChildren(
    h("div", { class: "counts" }, number(String(traffic.requests), "requests"),
      number(`${share && share < 0.1 ? "< 0.1" : share.toFixed(share < 10 ? 1 : 0)} %`, `failed (${traffic.errors})`, traffic.errors ? "bad" : ""),
      number(seconds(traffic.p50), "median"), number(seconds(traffic.p95), "95th percentile")),
    h("figure", {}, h("figcaption", {}, h("span", {}, "requests and errors per minute"), h("span", {}, `at most ${most}`)),
      charts.bars(row, `Requests per minute in the last hour: ${traffic.requests} in all, ${traffic.errors} failed, at most ${most} in a minute`), axis()),
    h("figure", {}, h("figcaption", {}, h("span", { class: "key" }, charts.swatch("p50"), "median", charts.swatch("p95"), "95 %"), h("span", {}, `at most ${seconds(slowest)}`)),
      charts.lines(row, ["p50", "p95"], `Latency in the last hour: median ${seconds(traffic.p50)}, 95th percentile ${seconds(traffic.p95)}`), axis()),
    traffic.partial ? h("p", { class: "soft" }, "From the newest part of the log: it is longer than what is read of it.") : "");
}

function drawProcesses(facts) {
  const many = facts.hosts.length > 1;
  const rows = facts.hosts.flatMap((host) => host.processes.map((process) => ({ ...process, host: host.name })));
  if (!rows.length) {
    $("processes").replaceChildren(h("p", { class: "soft" }, "No process runs."));
    return;
  }
  const fine = (process) => process.draining || ["running", "starting", "waiting"].includes(process.state);
  const cells = (process) => [many && h("td", {}, process.host), h("td", {}, process.name),
    h("td", {}, process.draining ? "draining" : process.state), h("td", { class: "wide" }, process.generation),
    h("td", { class: "num" }, process.since ? since(process.since) : ""), h("td", { class: "num" }, process.memory_kb ? bytes(process.memory_kb * 1024) : ""),
    h("td", { class: `num ${process.restarts ? "warn" : ""}` }, String(process.restarts))];
  const heads = [many && h("th", { scope: "col" }, "host"), ...["process", "state"].map((name) => h("th", { scope: "col" }, name)), h("th", { scope: "col", class: "wide" }, "release"),
    ...["up", "memory", "restarts"].map((name) => h("th", { scope: "col", class: "num" }, name))];
  $("processes").replaceChildren(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of processes" }, h("table", {}, h("thead", {}, h("tr", {}, heads)),
    h("tbody", {}, rows.map((process) => h("tr", { class: fine(process) ? (process.draining ? "draining" : "") : "bad-row" }, cells(process)))))));
}

function drawScale(facts) {
  const names = Object.keys(facts.scale || {});
  const busy = Boolean(state.job && !state.job.ended);
  $("scale").hidden = state.readonly || !names.length;
  $("scale").replaceChildren(...names.map((name) => h("label", {}, `${name} processes`,
    h("input", { type: "number", name, min: name === "web" ? 1 : 0, max: 512, step: 1, value: facts.scale[name], required: true }))),
  h("button", { disabled: busy }, "Scale"));
}

function onScale(event) {
  event.preventDefault();
  const wished = [...new FormData($("scale"))].map(([name, value]) => [name, Number(value)]);
  const changed = wished.filter(([name, value]) => value !== state.facts.scale[name]);
  if (changed.length) ask({ what: "scale", scale: Object.fromEntries(changed) });
  else tell("Nothing to scale: the numbers are what runs.");
}

function drawHosts(facts) {
  $("hosts").replaceChildren(...facts.hosts.map((host) => {
    const head = h("div", { class: "head" }, h("h3", {}, host.name), host.reachable === false ? h("span", { class: "bad" }, "can't be reached")
      : h("span", { class: "soft" }, [host.system, host.cores && count(host.cores, "core"), host.uptime && `up ${ago(host.uptime)}`].filter(Boolean).join(", ")));
    if (host.reachable === false) return h("div", { class: "host" }, head, h("p", {}, host.problem), h("p", { class: "soft" }, host.hint));
    return h("div", { class: "host" }, head, h("div", { class: "meters" }, meters(host)));
  }));
}

function meters(host) {
  const meter = (name, share, value) => h("div", { class: "meter" }, h("span", {}, name), charts.meter(share, `${name}: ${value}`), h("span", { class: "value" }, value));
  return [
    host.load && host.load.length && host.cores && meter("load", host.load[0] / host.cores / 2, `${host.load.map((one) => one.toFixed(1)).join("  ")}`),
    host.memory && meter("memory", 1 - host.memory_free / host.memory, `${bytes(host.memory_free)} of ${bytes(host.memory)} free`),
    host.disk && meter("disk", 1 - host.disk_free / host.disk, `${bytes(host.disk_free)} of ${bytes(host.disk)} free`),
  ];
}

function drawCare(facts) {
  const rows = [];
  for (const each of facts.certificates || []) {
    const days = Math.floor(each.days_left);
    const words = each.names.length ? `${each.names[0]}, ${count(days, "day")} left` : each.problem || "none";
    rows.push([(facts.certificates.length > 1 ? `certificate, ${each.host}` : "certificate"), h("span", { class: days < 14 || each.problem ? "bad" : "" }, words)]);
  }
  const backup = facts.backup;
  rows.push(["backup", backup ? h("span", { class: backup.ok ? "" : "bad" }, backup.at ? `${since(backup.at)} ago${backup.where ? `, ${backup.where}` : ""}` : "", backup.ok ? "" : ` failed: ${backup.problem}`) : h("span", { class: "soft" }, "none is known")]);
  const errors = facts.errors;
  if (errors) rows.push(["errors", h("span", { class: errors.new ? "bad" : "" }, errors.groups ? `${count(errors.groups, "kind")}, ${errors.hour} in the last hour${errors.new ? `, ${errors.new} new with this release` : ""}` : "none")]);
  for (const host of facts.hosts) {
    const updates = host.updates;
    if (updates) rows.push([facts.hosts.length > 1 ? `updates, ${host.name}` : "updates", `${updates.pending} pending${updates.security ? `, ${updates.security} for security` : ""}${updates.reboot ? ", a reboot waits" : ""}`]);
  }
  $("care").replaceChildren(pairs(...rows));
}

// What was opened stays open when the list is drawn anew.
function fold(id, summary, inside) {
  return h("details", { open: state.open.has(id), ontoggle: (event) => (event.target.open ? state.open.add(id) : state.open.delete(id)) },
    h("summary", {}, ...summary), h("div", { class: "inside" }, ...inside));
}

function drawReleases(facts) {
  const busy = Boolean(state.job && !state.job.ended);
  const list = facts.releases || [];
  if (!list.length) { $("releases").replaceChildren(h("p", { class: "soft" }, "None yet.")); return; }
  $("releases").replaceChildren(...list.map((release) => fold(`release ${release.number}`,
    [h("strong", {}, `v${release.number}`), release.live && h("span", { class: "tag live" }, "live"), h("span", {}, subject(release)), h("span", { class: "when" }, when(release.at))],
    [...diff(release), !release.live && !state.readonly && h("div", {}, h("button", { type: "button", class: "small", disabled: busy, onclick: () => ask({ what: "rollback", number: release.number }) }, `Roll back to v${release.number}`))])));
}

function subject(release) {
  const { commits, back } = release.diff;
  if (!commits.length || back) return release.why || source(release);
  return commits[0].subject + (commits.length > 1 ? ` and ${commits.length - 1} more` : "");
}

function diff(release) {
  const { commits, config, migrations, range, from, back, same_build: same } = release.diff;
  const list = (words, items) => items.length ? h("div", {}, h("p", { class: "soft" }, words), h("ul", { class: "mono" }, items.map((item) => h("li", {}, item)))) : "";
  return [
    pairs(["code", h("span", { class: "mono" }, source(release), range && ` (${range})`)], ["why", release.why], ["by", release.by], ["configuration", `v${release.config}`], ["build", h("span", { class: "mono" }, release.build)]),
    commits.length ? h("div", {}, h("p", { class: "soft" }, back ? `taken back since v${from}` : from ? `${count(commits.length, "commit")} since v${from}` : "commit"),
      h("ul", { class: "commits" }, commits.map((one) => h("li", {}, h("code", {}, one.id), h("span", {}, one.subject, h("span", { class: "soft" }, ` ${one.author}`)))))) : "",
    list(`configuration, against v${from}`, config), list("migrations", migrations),
    from && same && !config.length ? h("p", { class: "soft" }, `Same code and configuration as v${from}.`) : "",
  ];
}

const SYMBOLS = { "+": "add", "~": "change", "-": "remove", "!": "risky", "?": "verify" };
const MARKS = { done: "✓", failed: "✗", running: "…", undone: "↶" };

function steps(list, many) {
  return h("ol", { class: "steps" }, list.map((step) => {
    const symbol = step.symbol || step.action || "";
    return h("li", { class: step.state ? `is-${step.state.split(" ")[0]}` : "" },
      h("span", { class: "symbol", "aria-hidden": "true" }, MARKS[step.state] || symbol),
      h("span", {}, h("span", { class: "unseen" }, `${step.state || SYMBOLS[symbol] || ""}: `), many ? `${step.host}  ${step.what}` : step.what,
        step.why && h("span", { class: "why" }, `  ${step.why.split("; checked by ")[0]}`), step.error && h("span", { class: "why" }, `  ${step.error}`)),
      h("span", { class: "took" }, step.seconds >= 0.1 ? `${step.seconds.toFixed(1)} s` : step.state === "undone" ? "taken back" : ""));
  }));
}

function drawDeploys(facts) {
  const list = facts.deploys || [];
  const many = facts.hosts.length > 1;
  if (!list.length) { $("deploys").replaceChildren(h("p", { class: "soft" }, "Nothing has been done yet.")); return; }
  const entry = (one) => fold(`deploy ${one.id}`,
    [h("strong", {}, (one.what === "maintenance" && one.steps.length ? one.steps[0].what : one.what) || "deploy"), one.release ? h("span", {}, `v${one.release}`) : "", one.state !== "done" && h("span", { class: `tag ${one.state}` }, one.state),
      h("span", { class: "soft" }, one.who), h("span", { class: "when" }, when(one.at))],
    [pairs(["by", `${one.who}${one.machine ? ` on ${one.machine}` : ""}`], ["at", new Date(one.at).toLocaleString()], ["took", one.seconds ? ago(one.seconds) : ""], ["reason", one.reason], ["outcome", one.outcome]),
      one.steps.length ? steps(one.steps, many) : h("p", { class: "soft" }, "It ended before its first step.")]);
  const older = list.slice(RECENT);
  $("deploys").replaceChildren(...list.slice(0, RECENT).map(entry), older.length ? fold("deploys older", [h("span", { class: "soft" }, count(older.length, "older one"))], older.map(entry)) : "");
}

function drawConfig(facts) {
  const config = facts.config || {};
  const names = [...(config.names || []), ...(config.files || []).map((name) => `${name} (file)`)];
  $("config").replaceChildren(names.length ? h("ul", { class: "names" }, names.map((name) => h("li", {}, h("code", {}, name)))) : h("p", { class: "soft" }, "Nothing is set."),
    config.version ? h("p", { class: "soft" }, `v${config.version}; values are told by nuages config get NAME, never here.`) : "");
}

// --- the change under way -----------------------------------------------------------------------------------

const TITLES = {
  preparing: "getting ready", asking: "the plan", applying: "under way", done: "done", nothing: "nothing to do", declined: "not applied", failed: "failed",
};

function drawJob() {
  const job = state.job, panel = $("job");
  panel.hidden = !job || state.readonly;
  if (panel.hidden) return;
  panel.className = `card job is-${job.state}`;
  const typed = panel.querySelector("input") ? panel.querySelector("input").value : "";
  const many = state.facts && state.facts.hosts.length > 1;
  const output = job.output.length ? fold(`output ${job.id}`, [`Output (${count(job.output.length, "line")})`], [h("pre", { tabindex: "0" }, job.output.join("\n"))]) : "";
  panel.replaceChildren(
    h("h2", { id: "job-title", tabindex: "-1" }, `${job.what[0].toUpperCase()}${job.what.slice(1)}: ${TITLES[job.state] || job.state}`),
    h("p", { class: "soft" }, sentence(job)),
    h("div", { class: "body" }, failure(job), ...job.judgements.map((told) => h("pre", {}, told)), ...job.notes.map((note) => h("p", { class: "warn" }, note)),
      job.steps.length ? steps(job.steps, many) : "", output, question(job, typed)));
}

function sentence(job) {
  if (job.state === "preparing") return job.line || "reading the project and the hosts";
  if (job.state === "asking") return `${count(job.steps.length, "step")}. Nothing has been changed yet; the site is locked while this waits, for ${ago(job.until - Date.now() / 1000)} at most.`;
  if (job.state === "applying") return job.line || "it goes on whether this page is open or not";
  if (job.state === "nothing") return job.reason || "all is as it should be";
  return `${ago(job.ended - job.began)} in all`;
}

function failure(job) {
  if (!job.error) return "";
  const { what, where, hint, detail } = job.error;
  return h("div", { class: job.state === "failed" ? "bad" : "" }, h("p", {}, h("strong", {}, where ? `${where}: ${what}` : what)), detail && h("pre", {}, detail), hint && h("p", { class: "soft" }, hint));
}

function question(job, typed) {
  if (job.ended) return h("div", { class: "actions" }, h("button", { type: "button", onclick: () => { state.job = null; sessionStorage.setItem(CLOSED, job.id); draw(); $("main").focus(); } }, "Close"));
  if (job.state !== "asking") return "";
  const name = job.protected ? h("input", { id: "job-name", autocomplete: "off", spellcheck: "false", value: typed }) : null;
  return h("form", { onsubmit: (event) => { event.preventDefault(); reply(job, true, name ? name.value : ""); } },
    name && h("label", { for: "job-name" }, `${job.protected} is protected. Type its name to go on: `), name,
    h("div", { class: "actions" }, h("button", { class: "first" }, "Apply"), h("button", { type: "button", onclick: () => reply(job, false) }, "Don't apply")));
}

async function ask(wish) {
  const answer = await post("api/do", wish);
  if (answer.job) {
    state.mine = answer.job;
    tell("Getting ready");
  }
}

const reply = (job, agree, name = "") => post("api/answer", { job: job.id, agree, name });

async function post(path, body) {
  try {
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", "X-Nuages-Key": state.key }, body: JSON.stringify(body) });
    const answer = await response.json();
    if (!response.ok) problem(answer.hint ? `${answer.error} – ${answer.hint}` : answer.error);
    return answer;
  } catch {
    problem("the dashboard does not answer: is nuages dashboard still running?");
    return {};
  }
}

function problem(words) {
  $("attention").prepend(h("li", { class: "is-warn" }, h("span", { class: "what" }, words)));
  $("attention").hidden = false;
  tell(words);
}

function tell(words) {
  $("told").textContent = words;
}

function onJob(job) {
  const before = state.job;
  if (job && job.ended && (job.id === sessionStorage.getItem(CLOSED) || Date.now() / 1000 - job.ended > STALE)) job = null;
  state.job = job;
  draw();
  if (!job || (before && before.id === job.id && before.state === job.state)) return;
  tell(`${job.what}: ${TITLES[job.state] || job.state}`);
  if (job.id === state.mine && (job.state === "asking" || (job.ended && (!before || before.state !== job.state)))) {
    $("job-title").focus({ preventScroll: true });
    $("job").scrollIntoView({ block: "nearest" });
  }
}

// --- logs ---------------------------------------------------------------------------------------------------

function onLines(lines) {
  state.logs.push(...lines);
  state.logs.splice(0, Math.max(0, state.logs.length - LINES));
  const names = [...new Set(state.logs.map((line) => line.process).filter(Boolean))].sort();
  if (names.join() !== state.processes) {
    state.processes = names.join();
    const chosen = $("logs-process").value;
    $("logs-process").replaceChildren(...["", ...names].map((name) => h("option", { value: name, selected: name === chosen }, name || "all")));
  }
  drawLogs(lines);
}

function wanted(line) {
  const process = $("logs-process").value, find = $("logs-find").value.toLowerCase();
  return (!process || line.process === process) && (!find || line.line.toLowerCase().includes(find));
}

function logLine(line) {
  const level = /\b(ERROR|CRITICAL|Traceback|Error:)|\s5\d\d\s\d/.test(line.line) ? "is-bad" : /\bWARN(ING)?\b/.test(line.line) ? "is-warn" : "";
  const many = state.facts && state.facts.hosts.length > 1;
  return h("div", { class: level }, h("span", { class: "from" }, many && line.host ? `${line.host} ${line.process}` : line.process), h("span", { class: "said" }, line.line));
}

function drawLogs(added) {
  const box = $("logs");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  if (added) {
    box.append(...added.filter(wanted).map(logLine));
    while (box.childElementCount > LINES) box.firstElementChild.remove();
  } else {
    box.replaceChildren(...state.logs.filter(wanted).map(logLine));
  }
  if (atEnd || !added) box.scrollTop = box.scrollHeight;
}

// --- what is new ----------------------------------------------------------------------------------------------

const PARTS = [
  [drawHeader, (f) => [f.site, f.verdict, f.state, f.maintenance, f.url]], [drawAttention, (f) => [f.attention, f.lock, ended()]],
  [drawRelease, (f) => [f.release, Math.floor(f.at / 30)]], [drawActions, (f) => [f.release, f.maintenance, ended(), state.readonly]],
  [drawTraffic, (f) => [f.traffic, Math.floor(f.at / 60)]], [drawProcesses, (f) => [f.hosts.map((host) => host.processes), Math.floor(f.at / 10)]],
  [drawScale, (f) => [f.scale, ended(), state.readonly]], [drawHosts, (f) => f.hosts], [drawCare, (f) => [f.certificates, f.backup, f.errors, f.hosts.map((host) => host.updates), Math.floor(f.at / 60)]],
  [drawReleases, (f) => [f.releases, ended(), Math.floor(f.at / 60)]], [drawDeploys, (f) => [f.deploys, Math.floor(f.at / 60)]], [drawConfig, (f) => f.config],
];

function ended() {
  return !state.job || Boolean(state.job.ended);
}

function draw() {
  const facts = state.facts;
  if (facts && facts.hosts) {
    for (const [part, of] of PARTS) {
      const now = JSON.stringify(of(facts));
      if (state.drawn[part.name] === now || isBeingTyped(part)) continue;
      state.drawn[part.name] = now;
      keepingFocus(() => part(facts));
    }
  } else if (facts) {
    drawHeader(facts);
    drawAttention(facts);
  }
  keepingFocus(drawJob);
  drawAge();
}

// A number that somebody is changing is not written over.
function isBeingTyped(part) {
  return part === drawScale && $("scale").contains(document.activeElement) && document.activeElement.tagName === "INPUT" && ended();
}

// A button or fold that is drawn anew under somebody's keyboard keeps the focus.
function keepingFocus(drawing) {
  const active = document.activeElement;
  const section = active && active.closest("section");
  const words = active && active.textContent;
  drawing();
  if (!section || document.contains(active)) return;
  const twin = [...section.querySelectorAll(active.tagName)].find((each) => each.textContent === words && !each.disabled) || section.querySelector("h2[tabindex]");
  if (twin) twin.focus({ preventScroll: true });
}

function headers() {
  return state.key ? { "X-Nuages-Key": state.key } : {};
}

async function load() {
  const response = await fetch("facts.json", { headers: headers(), cache: "no-store" });
  if (!response.ok) throw new Error(String(response.status));
  const facts = await response.json();
  state.readonly = facts.readonly !== false;
  if (facts.site) state.facts = facts;
  draw();
}

// EventSource can't send the key, so the stream is read by hand: blocks of lines, an empty one between them.
async function listen() {
  state.stream = new AbortController();
  const logs = $("logs-live").checked ? "?logs=1" : "";
  const response = await fetch(`api/stream${logs}`, { headers: headers(), signal: state.stream.signal, cache: "no-store" });
  if (!response.ok) throw new Error(String(response.status));
  if (logs) { state.logs = []; drawLogs(); }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    blocks.forEach(onBlock);
  }
}

function onBlock(block) {
  const fields = Object.fromEntries(block.split("\n").filter((line) => /^\w/.test(line)).map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
  if (!fields.data) return;
  const value = JSON.parse(fields.data);
  if (fields.event === "facts") { state.facts = value; draw(); }
  if (fields.event === "job") onJob(value);
  if (fields.event === "lines") onLines(value);
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
const seen = () => (document.hidden ? new Promise((done) => { document.addEventListener("visibilitychange", done, { once: true }); }) : null);

async function live() {
  for (;;) {
    await seen();
    try {
      await listen();
    } catch (error) {
      if (error.name !== "AbortError") {
        if (error.message === "403") { over(); return; }
        $("age").textContent = "nuages dashboard does not answer";
        $("age").className = "age old";
        await pause(2000);
      }
    }
  }
}

function over() {
  problem("this link is over – in the terminal of nuages dashboard, Enter prints a fresh one");
  state.readonly = true;
  draw();
}

async function poll() {
  for (;;) {
    await pause(10000);
    await seen();
    await load().catch(() => { drawAge(); });
  }
}

function takeKey() {
  const given = location.hash.slice(1);
  if (given.length > 20) {
    localStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  state.key = localStorage.getItem(KEY) || "";
}

async function begin() {
  takeKey();
  $("scale").addEventListener("submit", onScale);
  $("logs-process").addEventListener("change", () => drawLogs());
  $("logs-find").addEventListener("input", () => drawLogs());
  $("logs-live").addEventListener("change", () => state.stream && state.stream.abort());
  document.addEventListener("visibilitychange", () => document.hidden && state.stream && state.stream.abort());
  setInterval(() => { drawAge(); if (state.job && state.job.state === "asking") $("job").children[1].textContent = sentence(state.job); }, 1000);
  try {
    await load();
  } catch (error) {
    if (error.message === "403") over();
    else problem("the facts can't be read");
    return;
  }
  if (state.readonly) { $("logs-card").hidden = true; poll(); } else live();
}

begin();
