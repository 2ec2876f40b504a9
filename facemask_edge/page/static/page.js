import { showLive } from "./live.js";
import { openEditor } from "./areas.js";
import { showToday } from "./today.js";
import { showSettings } from "./settings.js";
import { showHealth, showStanding } from "./health.js";
import { ask, json, pause, element } from "./device.js";

const byId = (id) => document.getElementById(id);
const INTERVAL = 1000;
const TODAY_INTERVAL = 5000;

export const page = { state: null, stateAt: 0, camera: null, isCutOff: false };

// Said once, not with each try.
function trouble(says) {
  const place = byId("trouble");
  if (place.textContent !== says) place.textContent = says;
}

byId("leave").addEventListener("click", async () => {
  // Also where the device does not answer any more: what was seen is not left on the screen. It is hidden, not taken
  // away, as the loops below still write to it until the door is there.
  byId("main").hidden = true;
  try {
    await ask("/logout", "POST");
  } finally {
    location.replace("/login");
  }
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
        page.stateAt = performance.now();
        page.isCutOff = false;
        if (!names.includes(page.camera)) page.camera = names[0];
        byId("device").textContent = state.device;
        document.title = `${state.device} · facemask-edge`;
        trouble("");
        showChoice(names);
        showSettings(state);
        showHealth(state, page.camera);
      } catch {
        page.isCutOff = true;
        trouble("The device does not answer; what is shown is old.");
        showStanding("bad", "no answer");
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
        if (page.state) showToday(violations, page.state);
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
