// The live picture: one is asked for after the other, so that a slow connection has fewer, never older ones.
import { ask, pause } from "./device.js";

const byId = (id) => document.getElementById(id);
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
    counted = tell(page.state, camera, counted);
    try {
      const answer = await ask(`/api/live/${encodeURIComponent(camera)}?known=${known}`);
      if (answer.status === 200) {
        known = answer.headers.get("X-Number");
        const before = picture.src;
        picture.src = URL.createObjectURL(await answer.blob());
        await picture.decode();
        if (before.startsWith("blob:")) URL.revokeObjectURL(before);
        picture.hidden = false;
        picture.dataset.number = known;
      } else if (answer.status !== 204) {
        await pause(1000);
      }
    } catch {
      await pause(1000);
    }
  }
}

// How fast it judges, and whom it sees.
function tell(state, camera, counted) {
  const about = state.cameras[camera];
  if (!about) return counted;
  const blind = byId("blind");
  blind.hidden = about.state === "ok";
  blind.textContent = blind.hidden ? "" : `${STATES[about.state] ?? about.state} ${about.reason}`;
  const now = performance.now();
  if (counted === null || about.judged < counted.judged) counted = { now, judged: about.judged };
  if (now - counted.now > 1500) {
    const rate = ((about.judged - counted.judged) * 1000) / (now - counted.now);
    byId("rate").textContent = `${rate.toFixed(1)} frames a second judged.`;
    counted = { now, judged: about.judged };
  }
  const people = about.people ?? { mask: 0, no_mask: 0, undetermined: 0 };
  const text = `In view: ${people.mask} with a mask, ${people.no_mask} without, ${people.undetermined} not decided.`;
  if (byId("seen").textContent !== text) byId("seen").textContent = text;
  return counted;
}
