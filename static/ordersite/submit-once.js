// Sends a checkout form once: one purchase is one order, however often, from however many tabs and over whatever network
// it is sent. It needs nothing else, and any shop may include it; docs/en/checkout.md says what the page holds and what
// the server answers. Without it the form is sent as any other, with the key that the server wrote into it.
(() => {
  "use strict";
  const KEPT = 24 * 60 * 60 * 1000; // the server keeps a key so long
  const PATIENCE = 30 * 1000; // for one answer
  const PAUSE = 3; // seconds until the button opens after a failure
  const LONGEST_PAUSE = 60; // and so long at most where the server asks for more
  const MOST_WAITS = 5; // times to come back while the first request is still running

  // Storage may be full or forbidden; then this page knows what it knows until it is left.
  function read(area, name) {
    try {
      return JSON.parse(window[area].getItem(name));
    } catch {
      return null;
    }
  }

  function write(area, name, value) {
    try {
      window[area].setItem(name, JSON.stringify(value));
    } catch { /* see above */ }
  }

  // `crypto.randomUUID` is there on secure pages only.
  function uuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const text = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  // A random number that this browser keeps for this site until it is cleared; nothing is measured or guessed.
  function deviceId() {
    if (!read("localStorage", "submit-once-device")) write("localStorage", "submit-once-device", uuid());
    return read("localStorage", "submit-once-device") || "";
  }

  // FNV-1a of 64 bits: it tells contents apart in this browser. The server compares the bodies themselves.
  function digest(text) {
    let hash = 0xcbf29ce484222325n;
    for (const byte of new TextEncoder().encode(text)) {
      hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    }
    return hash.toString(16);
  }

  function isOpenedAgain() {
    const entry = performance.getEntriesByType("navigation")[0];
    return Boolean(entry) && (entry.type === "reload" || entry.type === "back_forward");
  }

  const words = (text) => (text || "").split(/\s+/).filter(Boolean);
  const secondsToWait = (reply) => Number(reply.headers.get("Retry-After")) || 0;
  const pause = (seconds) => new Promise((resume) => { setTimeout(resume, seconds * 1000); });

  // What this page buys: a UUID, the keys of the contents that were sent, and where its order stands once it is made.
  //
  // The tab keeps it over reload and the back button, all tabs of a cart share it until its order is made. A key belongs
  // to one content: whoever changes the cart after an answer was lost sends another key, and is not told that the old one
  // was used.
  class Purchase {
    constructor(cart) {
      this.name = `submit-once:${cart}`;
      const own = isOpenedAgain() ? read("sessionStorage", this.name) : null;
      const shared = read("localStorage", this.name);
      const candidates = [own, shared && shared.made ? null : shared];
      this.state = candidates.find((one) => one && Date.now() - one.at < KEPT) || Purchase.fresh();
      this.follow();
      this.save(this.state !== own);
    }

    static fresh() {
      return { id: uuid(), at: Date.now(), keys: {}, sent: false, made: null };
    }

    // For the tabs to come, unless they have begun another purchase.
    save(isNewest = false) {
      write("sessionStorage", this.name, this.state);
      const shared = read("localStorage", this.name);
      if (isNewest || !shared || shared.id === this.state.id) write("localStorage", this.name, this.state);
    }

    // What another tab has sent or made of the same purchase.
    follow() {
      const shared = read("localStorage", this.name);
      if (!shared || shared.id !== this.state.id) return;
      this.state = { ...this.state, ...shared, keys: { ...this.state.keys, ...shared.keys } };
    }

    keyOf(content) {
      this.follow();
      const { keys, id } = this.state;
      if (!keys[content]) keys[content] = Object.values(keys).includes(id) ? uuid() : id;
      this.state.sent = true;
      this.save();
      return keys[content];
    }

    renewKey(content) {
      this.follow();
      this.state.keys[content] = uuid();
      this.save();
      return this.state.keys[content];
    }

    settle(made) {
      this.follow();
      this.state.sent = false;
      if (made) this.state.made = made;
      this.save();
    }

    restart() {
      this.state = Purchase.fresh();
      this.save(true);
    }
  }

  class Checkout {
    constructor(form) {
      this.form = form;
      this.buttons = [...form.querySelectorAll("button:not([type=button]):not([type=reset])")];
      this.labels = this.buttons.map((button) => button.textContent);
      this.address = form.getAttribute("action") || location.href;
      this.purchase = new Purchase(form.dataset.cart || new URL(this.address, location.href).pathname);
      this.beside = new Set(["csrfmiddlewaretoken", "idempotency_key", "device_id", ...words(form.dataset.beside)]);
      this.isLocked = this.isSending = false;
    }

    start() {
      this.form.addEventListener("submit", (event) => this.submit(event));
      addEventListener("pageshow", (event) => { if (event.persisted) this.comeBack(); });
      addEventListener("storage", (event) => { if (event.key === this.purchase.name) this.look(); });
      this.look();
    }

    comeBack() {
      if (!this.isSending) this.unlock();
      this.look();
    }

    // Says what became of the purchase, here before or in another tab.
    look() {
      this.purchase.follow();
      const { made, sent } = this.purchase.state;
      if (this.isSending) return;
      if (made) this.showMade(made);
      else if (sent) this.show("unsure");
    }

    submit(event) {
      event.preventDefault();
      if (this.isLocked || !this.form.reportValidity()) return;
      const data = this.dataWith(event.submitter);
      this.lock();
      this.send(data)
        .then((answer) => (answer.next ? this.succeed(answer) : this.fail(answer)))
        .finally(() => { this.isSending = false; });
    }

    dataWith(submitter) {
      const data = new FormData(this.form);
      if (submitter && submitter.name) data.append(submitter.name, submitter.value);
      data.set("device_id", deviceId());
      return data;
    }

    // What is bought, without what may differ between two tries of one purchase.
    contentOf(data) {
      const said = [...data].filter(([name]) => !this.beside.has(name)).map(([name, value]) => [name, String(value)]);
      return digest(JSON.stringify(said));
    }

    lock() {
      this.isLocked = this.isSending = true;
      this.form.setAttribute("aria-busy", "true");
      for (const button of this.buttons) {
        button.disabled = true;
        if (this.form.dataset.submitting) button.textContent = this.form.dataset.submitting;
      }
      this.show("");
    }

    unlock() {
      this.isLocked = false;
      this.form.removeAttribute("aria-busy");
      this.buttons.forEach((button, place) => {
        button.disabled = false;
        button.textContent = this.labels[place];
      });
    }

    reopenAfter(seconds) {
      this.form.removeAttribute("aria-busy");
      if (seconds <= 0) {
        this.unlock();
        return;
      }
      if (this.form.dataset.again) {
        for (const button of this.buttons) button.textContent = this.form.dataset.again.replace("%s", String(seconds));
      }
      setTimeout(() => this.reopenAfter(seconds - 1), 1000);
    }

    // One content, one key: whatever is sent again here can make no second order.
    async send(data) {
      const content = this.contentOf(data);
      let key = this.purchase.keyOf(content);
      let waits = 0, isRenewed = false, isRepeated = false;
      for (;;) {
        const answer = await this.post(data, key);
        if (answer.code === "request_in_progress" && waits < MOST_WAITS) {
          waits += 1;
          await pause(answer.retryAfter || 1);
        } else if (answer.code === "idempotency_key_reused" && !isRenewed) {
          isRenewed = true;
          key = this.purchase.renewKey(content);
        } else if (answer.isLost && !isRepeated) {
          isRepeated = true;
          await pause(1);
        } else return answer;
      }
    }

    async post(data, key) {
      data.set("idempotency_key", key);
      const stop = new AbortController();
      const timer = setTimeout(() => stop.abort(), PATIENCE);
      try {
        const reply = await fetch(this.address, {
          method: "POST",
          body: data,
          headers: { Accept: "application/json", "Idempotency-Key": key },
          credentials: "same-origin",
          signal: stop.signal,
        });
        const answer = await reply.json();
        const isKnown = (reply.ok && answer.next) || answer.code;
        return {
          ...answer,
          status: reply.status,
          next: reply.ok ? answer.next : "",
          retryAfter: secondsToWait(reply),
          isLost: !isKnown,
        };
      } catch {
        return { isLost: true };
      } finally {
        clearTimeout(timer);
      }
    }

    succeed(answer) {
      const made = { url: answer.order_url || answer.next, label: answer.order_label || "" };
      this.purchase.settle(made);
      if (!this.tell("made", answer)) return;
      location.assign(answer.next);
      // The next page may be slow, or away: the buyer still gets to the order.
      setTimeout(() => this.showMade(made), 5000);
    }

    fail(answer) {
      if (answer.new_key) this.purchase.restart();
      else if (!answer.isLost) this.purchase.settle(null);
      if (this.tell("failed", answer)) this.showProblem(answer);
      this.reopenAfter(answer.status === 429 ? Math.min(Math.max(answer.retryAfter, PAUSE), LONGEST_PAUSE) : PAUSE);
    }

    // Returns false where the shop's page does the rest itself.
    tell(what, answer) {
      const event = new CustomEvent(`submit-once:${what}`, { detail: answer, bubbles: true, cancelable: true });
      return this.form.dispatchEvent(event);
    }

    showProblem(answer) {
      const text = answer.message || this.form.dataset.unreachable || "";
      this.show("problem", answer.order_url ? { url: answer.order_url, label: answer.order_label } : null, text);
      for (const part of this.form.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== answer.code;
    }

    showMade(made) {
      this.show("made", made);
    }

    // Shows one of the form's notices, [data-notice], and hides the others; with its text and link where it has places.
    show(which, link = null, text = "") {
      for (const notice of this.form.querySelectorAll("[data-notice]")) {
        notice.hidden = notice.dataset.notice !== which;
        if (notice.hidden) continue;
        const [place, anchor] = [notice.querySelector("[data-text]"), notice.querySelector("[data-link]")];
        if (place && text) place.textContent = text;
        if (anchor) anchor.hidden = !link;
        if (anchor && link) {
          anchor.href = link.url;
          if (link.label) anchor.textContent = link.label;
        }
        // The buyer has just pressed the button; at any other moment nothing shall jump.
        if (which === "problem") notice.scrollIntoView({ block: "center" });
      }
    }
  }

  for (const form of document.querySelectorAll("form[data-submit-once]")) new Checkout(form).start();
})();
