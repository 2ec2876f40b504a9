// How the device is.
import { element } from "./device.js";

const byId = (id) => document.getElementById(id);
let shown = "";

export function showHealth(state, camera) {
  const health = state.health;
  const warnings = health?.warnings ?? [];
  const lost = Object.entries(state.cameras).filter(([, each]) => !["ok", "off", "ended"].includes(each.state));
  const isOff = Object.values(state.cameras).every((each) => each.state === "off");
  const [kind, says] = state.fault
    ? ["bad", state.fault]
    : lost.length
      ? ["bad", `camera ${lost.map(([name]) => name).join(", ")} gives no picture`]
      : warnings.length
        ? ["warn", `${warnings.length} warning${warnings.length === 1 ? "" : "s"}`]
        : isOff
          ? ["warn", "not watching"]
          : ["good", "all is well"];
  showStanding(kind, says);
  const now = JSON.stringify([health, camera]);
  if (now === shown) return;
  shown = now;
  byId("warnings").replaceChildren(
    ...warnings.map((one) => element("li", {}, `⚠ ${one.camera ? `${one.camera}: ` : ""}${one.says}`)),
  );
  byId("figures").replaceChildren(
    ...Object.entries(figures(state, health, camera)).flatMap(([name, value]) => [
      element("dt", {}, name),
      element("dd", {}, `${value}`),
    ]),
  );
}

export function showStanding(kind, says) {
  const standing = byId("standing");
  if (standing.textContent !== says) standing.textContent = says;
  standing.className = `badge ${kind}`;
}

function figures(state, health, camera) {
  if (!health) return { Version: state.version, State: "it has just started" };
  const about = health.cameras[camera];
  const found = {
    "As of": new Date(health.time).toLocaleTimeString(),
    Broker: `${health.mqtt.server}, ${health.mqtt.state}`,
    "Events that wait": health.queued,
    "Events dropped": health.dropped,
    "Outbox kept": health.outbox.kept === "disk" ? "on disk" : "in memory: the disk fails",
    "Running for": since(health.uptime_s),
    "Clock": health.clock_synchronized ? "synchronized" : "not synchronized",
    Models: `${health.accelerator.detector} finds, ${health.accelerator.classifier} judges`,
    Version: state.version,
  };
  if (health.rollout) found["Rollout"] = health.rollout.version === null ? "none in use" : `${health.rollout.version}, ${health.rollout.state}`;
  if (health.cpu_temperature_c !== null) found["Processor"] = `${health.cpu_temperature_c} °C`;
  if (about?.latency_ms) found["Camera to decision"] = `${Math.round(about.latency_ms.p50)} ms, in 95 of 100 at most ${Math.round(about.latency_ms.p95)} ms`;
  if (about) found["Frames judged"] = `${about.judged} of ${about.frames}`;
  return found;
}

function since(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}
