// Asks for the state of the payment, and shows the page anew when it is another than the one shown. Without this script the page reloads itself.
(function () {
  "use strict";
  var box = document.getElementById("pay");
  var began = Date.now();
  var PATIENCE = 10000;
  // The buyer has chosen another way: this attempt is closed now, and the page must not go anywhere else meanwhile.
  var isLeaving = false;

  function again() {
    // Quickly at first, then patiently: the server asks the provider at most every 3 s whatever we do.
    window.setTimeout(look, Date.now() - began < 60000 ? 1000 : 5000);
  }

  function look() {
    fetch(box.dataset.stateUrl, { headers: { Accept: "application/json" }, cache: "no-store" })
      .then(function (reply) { return reply.ok ? reply.json() : { state: box.dataset.state }; })
      .then(function (answer) {
        var isSame = answer.state === box.dataset.state && (!answer.unpaid || "unpaid" in box.dataset);
        if (isLeaving) { return; }
        if (isSame) { again(); } else { window.location.replace(box.dataset.pageUrl); }
      })
      .catch(again);
  }

  // Whoever left the cashier without paying shall not look at a wheel that turns for ever.
  function tellLate() {
    box.classList.add("pay-late");
    if (!box.dataset.lateTitle) { return; }
    box.querySelector("h1").textContent = box.dataset.lateTitle;
    document.getElementById("pay-text").textContent = box.dataset.lateText;
  }

  box.addEventListener("submit", function () { isLeaving = true; });
  window.addEventListener("pageshow", function (event) {
    if (event.persisted && isLeaving) { isLeaving = false; look(); }
  });
  again();
  if ("late" in box.dataset) { window.setTimeout(tellLate, PATIENCE); }
})();
