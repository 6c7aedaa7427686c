/* One click is one order: the button locks at once and re-opens, after a count-down, only if the request failed. */
(() => {
  "use strict";
  const form = document.getElementById("checkout");
  const button = document.getElementById("submit");
  const problem = document.getElementById("problem");
  const problemLink = document.getElementById("problem-link");
  const twin = document.getElementById("twin");
  const quantity = document.getElementById("id_quantity");
  let locked = false;

  const yuan = (fen) => "¥" + (fen / 100).toFixed(2).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const fen = (text) => Math.round(Number(text) * 100);

  quantity.addEventListener("change", () => {
    const goods = fen(quantity.dataset.price) * Number(quantity.value);
    document.getElementById("goods").textContent = yuan(goods);
    document.getElementById("total").textContent = yuan(goods + fen(quantity.dataset.shipping));
  });

  function lock() {
    locked = true;
    button.disabled = true;
    button.textContent = form.dataset.submitting;
    problem.hidden = true;
  }

  function reopenAfter(seconds) {
    if (seconds === 0) {
      locked = false;
      button.disabled = false;
      button.textContent = form.dataset.submit;
      return;
    }
    button.textContent = form.dataset.again.replace("%s", String(seconds));
    window.setTimeout(() => reopenAfter(seconds - 1), 1000);
  }

  function fail(answer) {
    document.getElementById("problem-text").textContent = answer.message || form.dataset.unreachable;
    problemLink.hidden = !answer.order_url;
    if (answer.order_url) {
      problemLink.href = answer.order_url;
      problemLink.textContent = answer.order_label;
    }
    problem.hidden = false;
    problem.scrollIntoView({ block: "center", behavior: "smooth" });
    if (answer.code === "duplicate_suspected" && twin) twin.hidden = false;
    if (answer.new_key) form.elements.idempotency_key.value = answer.new_key;
    reopenAfter(3);
  }

  async function send() {
    const data = new FormData(form);
    const reply = await fetch(form.action || window.location.href, {
      method: "POST",
      body: data,
      headers: { Accept: "application/json", "Idempotency-Key": form.elements.idempotency_key.value },
      credentials: "same-origin",
    });
    const answer = await reply.json();
    if (reply.ok && answer.next) window.location.assign(answer.next);
    else fail(answer);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (locked) return;
    if (!form.reportValidity()) return;
    lock();
    send().catch(() => fail({}));
  });

  /* Coming back from the cashier with the browser's own button: the form must not look locked for ever. */
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });
})();
