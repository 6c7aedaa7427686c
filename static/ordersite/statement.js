// A statement's page follows its work and turns by itself; an upload's button locks while the file is on its way.
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
})();
