// Asks for the state of the payment, and shows the page anew when it is another than the one shown. Without this script the page reloads itself.
(function () {
  "use strict";
  var box = document.getElementById("pay");
  var began = Date.now();

  function again() {
    // Quickly at first, then patiently: the server asks the provider at most every 3 s whatever we do.
    window.setTimeout(look, Date.now() - began < 60000 ? 1000 : 5000);
  }

  function look() {
    fetch(box.dataset.stateUrl, { headers: { Accept: "application/json" }, cache: "no-store" })
      .then(function (reply) { return reply.ok ? reply.json() : { state: box.dataset.state }; })
      .then(function (answer) {
        if (answer.state === box.dataset.state) { again(); } else { window.location.replace(box.dataset.pageUrl); }
      })
      .catch(again);
  }

  again();
})();
