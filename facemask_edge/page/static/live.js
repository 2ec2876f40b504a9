// The live picture: one is asked for after the other, so that a slow connection has fewer, never older ones.
import { ask, pause } from "./device.js";

const byId = (id) => document.getElementById(id);
const RATED = 2500; // milliseconds over which a rate is measured
const STATES = {
  opening: "The camera is being opened.",
  lost: "The camera is lost.",
  frozen: "The camera's picture is frozen.",
  black: "The camera's picture is black.",
  off: "The cameras are switched off.",
  ended: "The recording has ended.",
};

export async function showLive(page) {
  const picture = byId("picture");
  let known = "0";
  let camera = null;
  let counted = null;
  for (;;) {
    if (document.hidden || !page.camera) {
      await pause(300);
      continue;
    }
    if (camera !== page.camera) {
      camera = page.camera;
      known = "0";
      counted = null;
      picture.hidden = true;
    }
    counted = tell(page, camera, counted);
    try {
      const answer = await ask(`/api/live/${encodeURIComponent(camera)}?known=${known}`);
      const blob = await answer.blob();
      // Meanwhile another camera may be looked at.
      if (camera !== page.camera) continue;
      if (answer.status === 200) {
        known = answer.headers.get("X-Number");
        await show(picture, blob);
        picture.dataset.number = known;
      } else if (answer.status !== 204) {
        await pause(1000);
      }
      // Of a camera that gives no more, the last one may show what is masked by now.
      if (page.state.cameras[camera]?.state !== "ok") picture.hidden = true;
    } catch {
      picture.hidden = true;
      known = "0";
      await pause(1000);
    }
    byId("edit").disabled = picture.hidden;
  }
}

async function show(picture, blob) {
  const before = picture.src;
  picture.src = URL.createObjectURL(blob);
  if (before.startsWith("blob:")) URL.revokeObjectURL(before);
  await picture.decode();
  picture.hidden = false;
}

// How fast it judges, and whom it sees.
function tell({ state, stateAt, isCutOff }, camera, counted) {
  const about = state.cameras[camera];
  if (!about) return counted;
  if (isCutOff) {
    byId("rate").textContent = byId("seen").textContent = "";
    return null;
  }
  const blind = byId("blind");
  blind.hidden = about.state === "ok";
  blind.textContent = blind.hidden ? "" : `${STATES[about.state] ?? about.state} ${about.reason}`;
  if (counted === null || about.judged < counted.judged) counted = { at: stateAt, judged: about.judged };
  if (stateAt - counted.at > RATED) {
    const rate = ((about.judged - counted.judged) * 1000) / (stateAt - counted.at);
    byId("rate").textContent = `${rate.toFixed(1)} frames a second judged.`;
    counted = { at: stateAt, judged: about.judged };
  }
  const people = about.people ?? { mask: 0, no_mask: 0, undetermined: 0 };
  const text = `In view: ${people.mask} with a mask, ${people.no_mask} without, ${people.undetermined} not decided.`;
  if (byId("seen").textContent !== text) byId("seen").textContent = text;
  return counted;
}
