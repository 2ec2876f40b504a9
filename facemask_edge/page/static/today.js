// Today's violations: by the hour, and one by one.
import { drawn, element } from "./device.js";
import { heatCanvas, heatInWords } from "./heat.js";

const byId = (id) => document.getElementById(id);
const REASONS = {
  mask_on: "put a mask on",
  left: "left",
  scene_cut: "the picture changed",
  restart: "the device restarted",
  stopped: "the device stopped watching",
};
const FIRST = 12;
let hour = null;
let most = FIRST;
let told = [];
let about = null;
let shown = "";

byId("more").addEventListener("click", () => {
  most += 3 * FIRST;
  show();
});
byId("filter").querySelector("button").addEventListener("click", () => choose(null));
byId("why")
  .querySelector("input")
  .addEventListener("change", (event) => byId("list").classList.toggle("no-why", !event.target.checked));

export function showToday(entries, state) {
  // By the device's clock, which gave them their times.
  const midnight = new Date(state.time).setHours(0, 0, 0, 0);
  told = entries.filter((entry) => new Date(entry.time) >= midnight);
  about = state;
  show();
}

function choose(chosen) {
  hour = hour === chosen ? null : chosen;
  most = FIRST;
  show();
}

function show() {
  // What has not changed stays as it is, with the focus that may be in it.
  const now = JSON.stringify([told, hour, most, about?.has_pictures]);
  if (now === shown) return;
  shown = now;
  byId("sum").textContent = sum(told);
  plot(told);
  const listed = told.filter((entry) => hour === null || hourOf(entry) === hour).reverse();
  byId("filter").hidden = hour === null;
  byId("filter").querySelector("span").textContent = hour === null ? "" : `From ${hour}:00 to ${hour + 1}:00.`;
  byId("list").replaceChildren(...listed.slice(0, most).map(item));
  byId("more").hidden = listed.length <= most;
  byId("why").hidden = !listed.some((entry) => entry.heat);
}

const hourOf = (entry) => new Date(entry.time).getHours();

function sum(entries) {
  if (entries.length === 0) return "No violation so far.";
  const lasting = entries.filter((entry) => entry.reason === null).length;
  return `${entries.length} violation${entries.length === 1 ? "" : "s"}${lasting ? `, ${lasting} now` : ""}.`;
}

function plot(entries) {
  const counts = Array(24).fill(0);
  for (const entry of entries) counts[hourOf(entry)] += 1;
  const highest = Math.max(...counts, 1);
  const bars = counts.map((count, each) => {
    const height = (100 * count) / highest;
    const left = 20 * each;
    const bar = drawn(
      "g",
      { class: each === hour ? "bar chosen" : "bar" },
      drawn("rect", { class: "value", x: left + 2, y: 120 - height, width: 16, height, rx: 2 }),
      drawn("rect", { class: "hit", x: left, y: 0, width: 20, height: 120 }),
    );
    if (count) {
      bar.append(text(left + 10, 114 - height, count));
      bar.setAttribute("tabindex", "0");
      bar.setAttribute("role", "button");
      bar.setAttribute("aria-pressed", each === hour);
      bar.setAttribute("aria-label", `${each} to ${each + 1} o'clock: ${count}`);
      bar.addEventListener("click", () => choose(each));
      bar.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose(each);
        byId("plot").querySelectorAll("g.bar")[each].focus();
      });
    }
    return bar;
  });
  const hours = [0, 6, 12, 18, 24].map((each) => text(Math.min(Math.max(20 * each, 8), 468), 138, `${each}:00`));
  byId("plot").replaceChildren(drawn("line", { class: "axis", x1: 0, x2: 480, y1: 120.5, y2: 120.5 }), ...bars, ...hours);
}

const text = (x, y, content) => drawn("text", { x, y, "aria-hidden": "true" }, `${content}`);

function item(entry) {
  const when = new Date(entry.time).toLocaleTimeString();
  const how = entry.reason === null ? "Still there." : `${duration(entry.duration_s)}${REASONS[entry.reason] ?? entry.reason}.`;
  const words = entry.heat ? ` Most of it by ${heatInWords(entry.heat)}.` : "";
  return element(
    "li",
    {},
    thumb(entry),
    element(
      "div",
      {},
      element("p", { class: "when" }, `${when} · ${entry.camera}`),
      element("p", {}, `No mask: ${Math.round(100 * entry.probability)} %`),
      element("p", { class: "how" }, how + words),
    ),
  );
}

const duration = (seconds) => (seconds === null ? "" : `After ${seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`} `);

function thumb(entry) {
  const frame = element("div", { class: "thumb" });
  let place = [0, 0, 1];
  let aspect = 1;
  if (entry.has_picture && entry.place) {
    const faces = about?.blurs ? "; faces are made unrecognizable" : "";
    const source = `/api/pictures/${encodeURIComponent(entry.camera)}/${entry.id}`;
    frame.append(element("img", { src: source, loading: "lazy", alt: `Picture of this violation${faces}` }));
    ({ place, aspect } = entry);
  } else {
    frame.append(silhouette());
  }
  if (entry.heat) {
    const canvas = heatCanvas(entry.heat);
    const [left, top, side] = place.map((share) => 100 * share);
    Object.assign(canvas.style, { left: `${left}%`, top: `${top}%`, width: `${side}%`, height: `${side * aspect}%` });
    frame.append(canvas);
  }
  return frame;
}

// Where there is no picture: a face that is nobody's, as large as the map's.
function silhouette() {
  return drawn(
    "svg",
    { viewBox: "0 0 100 100", role: "img", "aria-label": "No picture is kept" },
    drawn("ellipse", { cx: 50, cy: 50, rx: 32, ry: 42, fill: "#9aa3ad" }),
    drawn("circle", { cx: 38, cy: 42, r: 4, fill: "#566" }),
    drawn("circle", { cx: 62, cy: 42, r: 4, fill: "#566" }),
    drawn("path", { d: "M50 46v13h-5M38 72q12 7 24 0", fill: "none", stroke: "#566", "stroke-width": 3 }),
  );
}
