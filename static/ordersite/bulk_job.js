// The page of a bulk job follows its work: it fetches itself and exchanges what has changed, until the job is finished.
(() => {
  "use strict";
  const pause = 1500;
  let failures = 0;
  const look = async () => {
    try {
      if (!document.hidden) {
        const answer = await fetch(location.href);
        if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById("os-job");
        const shown = document.getElementById("os-job");
        if (fresh && fresh.innerHTML !== shown.innerHTML) shown.replaceWith(fresh);
        else if (fresh && !("live" in fresh.dataset)) delete shown.dataset.live;
        failures = 0;
      }
    } catch {
      failures += 1;
    }
    if ("live" in document.getElementById("os-job").dataset) setTimeout(look, Math.min(pause * (failures + 1), 15000));
  };
  setTimeout(look, pause);
})();
