// Copying a waybill number, and showing what has changed without a reload. The page works without it.
(function () {
  "use strict";

  // Seconds between two looks at the state: from the first or, while a carrier is being asked, from the shorter one, each
  // half as long again as the one before, up to the longest. A hidden page does not look.
  var FIRST = 10;
  var WHILE_ASKED = 2;
  var LONGEST = 120;
  var wait = FIRST;
  var timer = 0;
  var isOver = false;

  function region() {
    return document.querySelector("[data-live]");
  }

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
    field.className = "copy-source";
    document.body.appendChild(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    return Promise.resolve();
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button || button.textContent === button.dataset.done) {
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

  function fetched(address, type) {
    return fetch(address, { headers: { Accept: type }, cache: "no-store" }).then(function (answer) {
      isOver = isOver || answer.status === 404 || answer.status === 410;
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      return answer;
    });
  }

  function startAgain() {
    var shown = region();
    wait = shown && "asked" in shown.dataset ? WHILE_ASKED : FIRST;
  }

  // Puts the new card in place of the old one; a button that had the focus keeps it.
  function replace(old, fresh) {
    var active = old.contains(document.activeElement) ? document.activeElement : null;
    var parcel = active && active.closest("article");
    old.replaceWith(fresh);
    offerCopies(fresh);
    var same = parcel && active.className && fresh.querySelector("#" + parcel.id + " ." + active.className);
    if (same) {
      same.focus({ preventScroll: true });
    }
  }

  function redraw() {
    return fetched(location.href, "text/html")
      .then(function (answer) {
        return answer.text();
      })
      .then(function (html) {
        var old = region();
        var fresh = new DOMParser().parseFromString(html, "text/html").querySelector("[data-live]");
        if (old && fresh) {
          replace(old, fresh);
          startAgain();
        }
      });
  }

  function look() {
    var shown = region();
    fetched(shown.dataset.state, "application/json")
      .then(function (answer) {
        return answer.json();
      })
      .then(function (found) {
        wait = Math.min(wait * 1.5, LONGEST);
        return found.version === shown.dataset.version ? null : redraw();
      })
      .catch(function () {
        wait = Math.min(wait * 3, LONGEST);
      })
      .then(lookLater);
  }

  function lookLater() {
    var shown = region();
    clearTimeout(timer);
    if (shown && !isOver && !document.hidden && !("final" in shown.dataset)) {
      timer = setTimeout(look, wait * 1000);
    }
  }

  document.addEventListener("visibilitychange", function () {
    if (!document.hidden) {
      wait = Math.min(wait, FIRST);
    }
    lookLater();
  });

  offerCopies(document);
  startAgain();
  lookLater();
})();
