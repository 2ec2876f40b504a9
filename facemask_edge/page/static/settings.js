// The switches: a slider for a number, a box for what is on or off.
import { element, json, pause, say } from "./device.js";

const byId = (id) => document.getElementById(id);
const SEND_INTERVAL = 150;
const controls = new Map();

export function showSettings(state) {
  for (const [name, about] of Object.entries(state.controls)) {
    if (!controls.has(name)) {
      const control = "minimum" in about ? slider(name, about) : box(name, about);
      controls.set(name, control);
      byId("controls").append(control.row);
    }
    controls.get(name).show(state.switches[name]);
  }
}

// What is a description for developers, too: without its marks.
const plain = (text) => text.replaceAll("`", "");

// The newest value of each, once the one before is answered: never two that could change places on their way.
const unsent = new Map();
const sending = new Set();

async function send(name, value) {
  unsent.set(name, value);
  if (sending.has(name)) return;
  sending.add(name);
  while (unsent.has(name)) {
    const newest = unsent.get(name);
    unsent.delete(name);
    try {
      await json(`/api/switches/${name}`, "PUT", { value: newest });
    } catch (error) {
      say(`It is not set: ${error.message}`);
    }
    await pause(SEND_INTERVAL);
  }
  sending.delete(name);
}

function asConfigured(name) {
  const button = element("button", { type: "button", class: "quiet" }, "As configured");
  button.addEventListener("click", () => send(name, "default"));
  return button;
}

function slider(name, about) {
  const id = `switch-${name}`;
  const input = element("input", {
    type: "range", id, min: about.minimum, max: about.maximum, step: about.step, "aria-describedby": `${id}-hint`,
  });
  const output = element("output", { for: id });
  const row = element(
    "div",
    { class: "control" },
    element("label", { for: id }, about.title, " ", output),
    asConfigured(name),
    input,
    element("p", { class: "hint", id: `${id}-hint` }, plain(about.description)),
  );
  let touched = -Infinity;
  input.addEventListener("input", () => {
    touched = performance.now();
    output.textContent = input.value;
    send(name, input.value);
  });
  const show = (value) => {
    // Not under the finger that moves it.
    if (performance.now() - touched < 2000) return;
    input.value = value;
    output.textContent = value;
  };
  return { row, show };
}

function box(name, about) {
  const id = `switch-${name}`;
  const input = element("input", { type: "checkbox", id, role: "switch", "aria-describedby": `${id}-hint` });
  const row = element(
    "div",
    { class: "control" },
    element("label", { class: "box", for: id }, input, " ", about.title),
    asConfigured(name),
    element("p", { class: "hint", id: `${id}-hint` }, plain(about.description)),
  );
  let touched = -Infinity;
  input.addEventListener("change", () => {
    touched = performance.now();
    send(name, input.checked ? "ON" : "OFF");
  });
  const show = (value) => {
    if (performance.now() - touched > 2000) input.checked = value === "ON";
  };
  return { row, show };
}
