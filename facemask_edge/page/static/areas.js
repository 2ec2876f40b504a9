// Zones and privacy masks, drawn over the live picture with a mouse, a finger or the keyboard.
import { drawn, element, json, say } from "./device.js";

const byId = (id) => document.getElementById(id);
const KINDS = { zones: "Zone", ignore_zones: "Ignored", privacy_masks: "Privacy mask" };
const DRAGGED = 8; // CSS pixels
const STEP = 0.01;
const drawing = byId("drawing");
const editor = byId("editor");

let page = null;
let camera = null;
let areas = []; // { kind, corners: [[x, y], …] }, as shares of the picture
let fixed = [];
let open = null; // the area whose corners are still being set
let press = null;

export async function openEditor(of) {
  page = of;
  camera = page.camera;
  lock(true);
  try {
    take(await json(`/api/areas/${encodeURIComponent(camera)}`));
  } catch (error) {
    lock(false);
    say(error.message);
    return;
  }
  reveal(true);
  show();
  editor.querySelector("input").focus();
}

function close() {
  reveal(false);
  byId("edit").focus();
}

function reveal(isOpen) {
  editor.hidden = !isOpen;
  drawing.toggleAttribute("hidden", !isOpen);
  byId("edit").hidden = isOpen;
  lock(isOpen);
}

// What is drawn belongs to one camera.
const lock = (isOpen) => byId("choice").querySelectorAll("button").forEach((button) => (button.disabled = isOpen));

function take(told) {
  areas = Object.keys(KINDS).flatMap((kind) => told[kind].map((corners) => ({ kind, corners })));
  fixed = told.fixed_masks;
  open = press = null;
}

const kind = () => editor.elements.kind.value;
const limited = (share) => Math.round(10000 * Math.min(Math.max(share, 0), 1)) / 10000;

function place(event) {
  const { left, top, width, height } = drawing.getBoundingClientRect();
  return [limited((event.clientX - left) / width), limited((event.clientY - top) / height)];
}

const rectangle = ([left, top], [right, bottom]) => [[left, top], [right, top], [right, bottom], [left, bottom]];

drawing.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || press) return;
  drawing.setPointerCapture(event.pointerId);
  const { area, corner } = event.target.dataset;
  press = { id: event.pointerId, at: [event.clientX, event.clientY], from: place(event), to: null, area: areas[area], corner };
});

drawing.addEventListener("pointermove", (event) => {
  if (press?.id !== event.pointerId) return;
  const moved = Math.hypot(event.clientX - press.at[0], event.clientY - press.at[1]);
  if (press.to === null && moved < DRAGGED) return;
  press.to = place(event);
  if (press.corner !== undefined) press.area.corners[press.corner] = press.to;
  show();
});

drawing.addEventListener("pointercancel", (event) => {
  if (press?.id !== event.pointerId) return;
  press = null;
  show();
});

drawing.addEventListener("pointerup", (event) => {
  if (press?.id !== event.pointerId) return;
  const { from, to, area, corner } = press;
  press = null;
  if (to !== null) {
    if (corner === undefined && !open && from[0] !== to[0] && from[1] !== to[1]) add(rectangle(from, to));
  } else if (open && area === open && corner === "0" && open.corners.length > 2) {
    open = null;
  } else if (open) {
    open.corners.push(from);
  } else if (corner === undefined) {
    open = { kind: kind(), corners: [from] };
    areas.push(open);
  }
  show();
});

drawing.addEventListener("keydown", (event) => {
  const { area, corner } = event.target.dataset;
  if (corner === undefined) return;
  const [across, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
  const corners = areas[area].corners;
  if (across || down) {
    const step = event.shiftKey ? 5 * STEP : STEP;
    const [x, y] = corners[corner];
    corners[corner] = [limited(x + step * across), limited(y + step * down)];
  } else if (event.key === "Delete" && corners.length > 3) {
    corners.splice(corner, 1);
  } else if (event.key === "Insert") {
    const [[x, y], [nextX, nextY]] = [corners[corner], corners[(+corner + 1) % corners.length]];
    corners.splice(+corner + 1, 0, [limited((x + nextX) / 2), limited((y + nextY) / 2)]);
  } else {
    return;
  }
  event.preventDefault();
  show();
  const next = event.key === "Insert" ? +corner + 1 : Math.min(corner, corners.length - 1);
  drawing.querySelector(`circle[data-area="${area}"][data-corner="${next}"]`).focus();
});

function add(corners) {
  areas.push({ kind: kind(), corners });
  open = null;
}

byId("add").addEventListener("click", () => {
  add(rectangle([0.35, 0.35], [0.65, 0.65]));
  show();
});
byId("undo").addEventListener("click", () => {
  if (!open) return;
  open.corners.pop();
  if (open.corners.length === 0) remove(open);
  show();
});
byId("cancel").addEventListener("click", close);
byId("reset").addEventListener("click", () => keep("DELETE"));
editor.addEventListener("submit", (event) => {
  event.preventDefault();
  const unfinished = areas.find((area) => area.corners.length < 3);
  if (unfinished) {
    say("An area needs three corners: go on with it, or remove it.");
    return;
  }
  const body = { zones: [], ignore_zones: [], privacy_masks: [] };
  for (const area of areas) body[area.kind].push(area.corners);
  keep("PUT", body);
});

async function keep(method, body) {
  try {
    await json(`/api/areas/${encodeURIComponent(camera)}`, method, body);
    say("Saved. It holds from now on.");
    close();
  } catch (error) {
    say(`It is not saved: ${error.message}`);
  }
}

function remove(area) {
  areas = areas.filter((each) => each !== area);
  if (open === area) open = null;
}

// "Zone 2": of each kind they are counted.
function named() {
  const counts = { zones: 0, ignore_zones: 0, privacy_masks: 0 };
  return areas.map(({ kind }) => `${KINDS[kind]} ${(counts[kind] += 1)}`);
}

function show() {
  const names = named();
  const { width, height } = page.state.cameras[camera];
  const [across, down] = [width ?? 1600, height ?? 900];
  drawing.setAttribute("viewBox", `0 0 ${across} ${down}`);
  const scale = across / (drawing.clientWidth || across);
  const points = (corners) => corners.map(([x, y]) => `${x * across},${y * down}`).join(" ");
  const shapes = fixed.map((corners) => drawn("polygon", { class: "fixed", points: points(corners) }));
  areas.forEach((area, index) => {
    const shape = area === open ? "polyline" : "polygon";
    shapes.push(drawn(shape, { class: area.kind, points: points(area.corners), "data-area": index }));
  });
  if (press?.to && press.corner === undefined && !open) {
    shapes.push(drawn("polygon", { class: kind(), points: points(rectangle(press.from, press.to)) }));
  }
  areas.forEach((area, index) =>
    area.corners.forEach(([x, y], corner) =>
      shapes.push(
        drawn("circle", {
          class: area.kind, cx: x * across, cy: y * down, r: 11 * scale, tabindex: 0, role: "button",
          "aria-label": `${names[index]}, corner ${corner + 1}: ${Math.round(100 * x)} % from the left, ${Math.round(100 * y)} % from the top`,
          "data-area": index, "data-corner": corner,
        }),
      ),
    ),
  );
  drawing.replaceChildren(...shapes);
  byId("undo").disabled = !open;
  byId("areas").replaceChildren(
    ...areas.map((area, index) => {
      const button = element("button", { type: "button", class: "quiet" }, "Remove");
      button.setAttribute("aria-label", `Remove ${names[index]}`);
      button.addEventListener("click", () => {
        remove(area);
        show();
        byId("add").focus();
      });
      const unfinished = area === open ? ", not closed" : "";
      return element("li", {}, element("b", { class: area.kind }, names[index]), ` with ${area.corners.length} corners${unfinished}`, button);
    }),
  );
}
