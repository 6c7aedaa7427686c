// A statement's page follows its work and turns by itself; an upload's button locks while the file is on its way; the
// reading page shows the lines anew after each choice.
(() => {
  "use strict";
  const page = document.querySelector("[data-progress]");
  if (page) {
    const bar = page.querySelector("progress");
    const lines = page.querySelector("[data-lines]");
    const left = page.querySelector("[data-left]");
    let failures = 0;
    const look = async () => {
      try {
        const answer = await fetch(page.dataset.progress, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(String(answer.status));
        const now = await answer.json();
        failures = 0;
        if (now.status === "refused" || (now.status === "matched" && !now.settling)) {
          location.reload();
          return;
        }
        if (bar) bar.value = now.progress;
        if (lines) lines.textContent = now.lines_read.toLocaleString();
        if (left) left.textContent = now.to_settle.toLocaleString();
        if (bar && now.status === "matched") location.reload();
      } catch {
        failures += 1;
      }
      setTimeout(look, Math.min(1000 * (failures + 1), 15000));
    };
    setTimeout(look, 700);
  }
  const form = document.getElementById("os-upload");
  if (form) {
    form.addEventListener("submit", () => {
      const button = form.querySelector("button[type=submit]");
      button.disabled = true;
      button.querySelector(".os-label").textContent = button.dataset.busy;
    });
  }
  const shownAnew = async (reading, focused) => {
    reading.setAttribute("aria-busy", "true");
    const data = new FormData(reading);
    data.set("look", "1");
    const answer = await fetch(location.href, { method: "POST", body: data });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("os-reading");
    if (!fresh) return;
    reading.replaceWith(fresh);
    fresh.querySelector(`[name="${CSS.escape(focused)}"]`)?.focus();
  };
  document.addEventListener("change", (event) => {
    const reading = event.target.closest("#os-reading");
    if (!reading || event.target.tagName !== "SELECT") return;
    shownAnew(reading, event.target.name).finally(() => reading.removeAttribute("aria-busy"));
  });
})();
