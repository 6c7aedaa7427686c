// Copying a waybill number, and showing what the carrier said without a reload. The page works without it.
(function () {
  "use strict";

  function offerCopies(root) {
    root.querySelectorAll("[data-copy]").forEach(function (button) {
      button.hidden = false;
    });
  }

  function copyText(text) {
    if (navigator.clipboard && window.isSecureContext) {
      return navigator.clipboard.writeText(text);
    }
    var field = document.createElement("textarea");
    field.value = text;
    field.style.position = "fixed";
    field.style.opacity = "0";
    document.body.appendChild(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    return Promise.resolve();
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button) {
      return;
    }
    var word = button.textContent;
    copyText(button.dataset.copy).then(function () {
      button.textContent = button.dataset.done;
      setTimeout(function () {
        button.textContent = word;
      }, 1500);
    });
  });

  // While the carrier is being asked: look again after 2, 3, 4 … seconds, ten times at most.
  function lookAgain(round) {
    var card = document.querySelector("[data-parcel-card][data-asked]");
    if (!card || round > 9) {
      return;
    }
    setTimeout(function () {
      fetch(location.href, { headers: { Accept: "text/html" } })
        .then(function (answer) {
          return answer.ok ? answer.text() : "";
        })
        .then(function (html) {
          var fresh = html && new DOMParser().parseFromString(html, "text/html").querySelector("[data-parcel-card]");
          if (fresh) {
            card.replaceWith(fresh);
            offerCopies(fresh);
          }
          lookAgain(round + 1);
        })
        .catch(function () {
          lookAgain(round + 1);
        });
    }, 2000 + round * 1000);
  }

  offerCopies(document);
  lookAgain(0);
})();
