const form = document.getElementById("login");
const password = document.getElementById("password");
const trouble = document.getElementById("trouble");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  trouble.textContent = "";
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch("/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ password: password.value }),
    });
    if (answer.ok) {
      location.replace("/");
      return;
    }
    trouble.textContent = (await answer.json()).says;
    password.select();
  } catch {
    trouble.textContent = "The device does not answer.";
  } finally {
    button.disabled = false;
  }
});
