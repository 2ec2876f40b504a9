// What is asked of the device. Whoever is not logged in any more is sent to the door.

const LONGEST = 10_000; // milliseconds: as long as the device keeps a connection on which no answer ends

export async function ask(path, method = "GET", body = undefined) {
  const answer = await fetch(path, {
    method,
    signal: AbortSignal.timeout(LONGEST),
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.status === 401) {
    location.replace("/login");
    return new Promise(() => {});
  }
  return answer;
}

export async function json(path, method = "GET", body = undefined) {
  const answer = await ask(path, method, body);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.says);
  return told;
}

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

let fading;
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => (said.textContent = ""), 6000);
}

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
