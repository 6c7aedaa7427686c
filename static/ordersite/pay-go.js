// Posts the form to the cashier, once: a buyer who comes back with the browser's button is not sent away again.
(function () {
  "use strict";
  var form = document.getElementById("pay-form");
  var entry = window.performance && performance.getEntriesByType ? performance.getEntriesByType("navigation")[0] : null;
  if (form && !(entry && entry.type === "back_forward")) { form.submit(); }
})();
