import { showLive } from "./live.js";
import { openEditor } from "./areas.js";
import { showToday } from "./today.js";
import { showSettings } from "./settings.js";
import { showHealth } from "./health.js";
import { ask, json, pause, element } from "./device.js";

const byId = (id) => document.getElementById(id);
const INTERVAL = 1000;
const TODAY_INTERVAL = 5000;

export const page = { state: null, camera: null };

byId("leave").addEventListener("click", async () => {
  await ask("/logout", "POST");
  location.replace("/login");
});
byId("edit").addEventListener("click", () => openEditor(page));

function showChoice(names) {
  const choice = byId("choice");
  choice.hidden = names.length < 2;
  if (choice.childElementCount !== names.length) {
    choice.replaceChildren(
      ...names.map((name) => {
        const button = element("button", { type: "button" }, name);
        button.addEventListener("click", () => {
          page.camera = name;
          showChoice(names);
        });
        return button;
      }),
    );
  }
  [...choice.children].forEach((button) => button.setAttribute("aria-pressed", button.textContent === page.camera));
}

async function keepState() {
  for (;;) {
    // Nobody looks at a page that is hidden.
    if (!document.hidden) {
      try {
        const state = await json("/api/state");
        const names = Object.keys(state.cameras);
        page.state = state;
        if (!names.includes(page.camera)) page.camera = names[0];
        byId("device").textContent = state.device;
        document.title = `${state.device} · facemask-edge`;
        byId("edit").disabled = false;
        byId("trouble").hidden = true;
        showChoice(names);
        showSettings(state);
        showHealth(state, page.camera);
      } catch {
        byId("trouble").hidden = false;
        byId("trouble").textContent = "The device does not answer; what is shown may be old.";
      }
    }
    await pause(INTERVAL);
  }
}

async function keepToday() {
  let version = "";
  let violations = [];
  for (;;) {
    if (!document.hidden) {
      try {
        const answer = await ask(`/api/violations?known=${version}`);
        if (answer.status === 200) {
          version = answer.headers.get("X-Version");
          violations = await answer.json();
        }
        // Also what is not new: it may be another day.
        showToday(violations, page.state);
      } catch {
        // The state's own trouble says so.
      }
    }
    await pause(TODAY_INTERVAL);
  }
}

keepState();
keepToday();
showLive(page);
