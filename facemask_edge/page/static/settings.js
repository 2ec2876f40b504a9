// The switches: a slider for a number, a box for what is on or off.
import { element, json, say } from "./device.js";

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

async function send(name, value) {
  try {
    await json(`/api/switches/${name}`, "PUT", { value });
  } catch (error) {
    say(`It is not set: ${error.message}`);
  }
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
  let due = null;
  input.addEventListener("input", () => {
    touched = performance.now();
    output.textContent = input.value;
    // At once, but not with every pixel.
    due ??= setTimeout(() => {
      due = null;
      send(name, input.value);
    }, SEND_INTERVAL);
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
    element("label", { for: id }, about.title),
    input,
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
