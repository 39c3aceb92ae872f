// SVG by hand: bars of requests with the failed ones in red, two lines of latency, meters. Colours are the style sheet's.
"use strict";

const charts = (() => {
  const SPACE = "http://www.w3.org/2000/svg";
  const WIDE = 600, HIGH = 100, MINUTES = 60;

  function svg(name, attributes, ...children) {
    const made = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function frame(label, ...children) {
    const base = svg("line", { class: "base", x1: 0, x2: WIDE, y1: HIGH, y2: HIGH });
    return svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, base, ...children);
  }

  // The last hour, oldest first; a minute without requests is there too.
  function hour(minutes, now) {
    const known = new Map(minutes.map((minute) => [Math.floor(minute.at / 60), minute]));
    const last = Math.floor(now / 60);
    return Array.from({ length: MINUTES }, (_, i) => known.get(last - MINUTES + 1 + i) || { requests: 0, errors: 0, p50: null, p95: null });
  }

  function bars(row, label) {
    const most = Math.max(1, ...row.map((minute) => minute.requests));
    const step = WIDE / MINUTES;
    const drawn = row.flatMap((minute, i) => {
      if (!minute.requests) return [];
      const high = (minute.requests / most) * HIGH, failed = (minute.errors / most) * HIGH;
      const place = { x: i * step + 1, width: step - 2 };
      const good = svg("rect", { class: "ok-bar", y: HIGH - high, height: high - failed, ...place });
      good.append(svg("title", {}, `${minute.requests} requests, ${minute.errors} failed`));
      return minute.errors ? [good, svg("rect", { class: "bad-bar", y: HIGH - failed, height: failed, ...place })] : [good];
    });
    return frame(label, ...drawn);
  }

  function lines(row, names, label) {
    const most = Math.max(1e-6, ...row.flatMap((minute) => names.map((name) => minute[name] || 0)));
    const step = WIDE / (MINUTES - 1);
    return frame(label, ...names.map((name) => svg("path", { class: name, d: path(row.map((minute) => minute[name]), most, step) })));
  }

  // A gap where nothing was asked; one lonely minute is a short dash.
  function path(values, most, step) {
    let d = "", open = false;
    values.forEach((value, i) => {
      if (!value) { open = false; return; }
      const x = i * step, y = (HIGH - (value / most) * (HIGH - 4)).toFixed(1);
      const alone = !open && !values[i + 1];
      d += alone ? `M${(x - 3).toFixed(1)} ${y}h6` : `${open ? "L" : "M"}${x.toFixed(1)} ${y}`;
      open = true;
    });
    return d;
  }

  function meter(share, label) {
    const used = Math.max(0, Math.min(1, share));
    const track = svg("rect", { class: "track", width: 100, height: 8 });
    const fill = svg("rect", { class: used > 0.9 ? "fill full" : "fill", width: used * 100, height: 8 });
    return svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": label }, track, fill);
  }

  function swatch(name) {
    return svg("svg", { viewBox: "0 0 20 8", "aria-hidden": "true" }, svg("path", { class: name, d: "M1 4h18" }));
  }

  return { hour, bars, lines, meter, swatch };
})();
