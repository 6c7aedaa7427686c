// Gives back what was typed into a form of the back office when it was sent after the session had ended.
//
// The server cannot keep it: nobody is logged in when it arrives. So the text stays in this tab from the moment it is
// sent, until a page other than the log-in shows that it has arrived; after the log-in the form's page puts it back.
// Passwords, files and what is marked as secret are never kept, and nothing is shown to another person.
(() => {
  const { person, notice } = document.currentScript.dataset;
  const KEY = "ordersite-draft";
  const LONGEST = 12 * 60 * 60 * 1000;
  const UNKEPT = new Set(["password", "hidden", "file", "submit", "button", "reset", "image"]);
  const TYPED = "textarea, input[type=text], input[type=number], input[type=email], input[type=url], input[type=search], input:not([type])";

  const address = () => location.pathname + location.search;
  const fields = (form) =>
    [...form.elements].filter((one) => one.name && !UNKEPT.has(one.type) && !("secret" in one.dataset));
  const isChoice = (field) => field.type === "checkbox" || field.type === "radio";
  const valuesOf = (field) => {
    if (isChoice(field)) return field.checked ? [field.value] : [];
    if (field.options) return [...field.selectedOptions].map((one) => one.value);
    return [field.value];
  };
  const typed = (form) => fields(form).some((one) => one.matches(TYPED) && one.value);

  const keep = (form) => {
    const values = {};
    for (const field of fields(form)) (values[field.name] ??= []).push(...valuesOf(field));
    const draft = { person, address: address(), at: Date.now(), form: [...document.forms].indexOf(form), values };
    try {
      sessionStorage.setItem(KEY, JSON.stringify(draft));
    } catch { /* no room, or forbidden: the form is sent all the same */ }
  };

  // Puts the values back; tells whether the page had others.
  const restore = (form, values) => {
    let differs = false;
    for (const field of fields(form)) {
      const known = values[field.name];
      if (!known) continue;
      const before = JSON.stringify(valuesOf(field));
      if (isChoice(field)) field.checked = known.includes(field.value);
      else if (field.options) for (const option of field.options) option.selected = known.includes(option.value);
      else field.value = known.shift() ?? field.value;
      if (JSON.stringify(valuesOf(field)) === before) continue;
      differs = true;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
    return differs;
  };

  const tell = (form) => {
    const line = document.createElement("p");
    line.className = "os-kept";
    line.setAttribute("role", "status");
    line.textContent = notice;
    form.prepend(line);
  };

  const known = () => {
    try {
      return JSON.parse(sessionStorage.getItem(KEY));
    } catch {
      return null;
    }
  };
  const forget = () => {
    try {
      sessionStorage.removeItem(KEY);
    } catch { /* then nothing is kept either */ }
  };

  const draft = known();
  if (draft) {
    const isTheirs = draft.person === person && Date.now() - draft.at < LONGEST;
    const form = document.forms[draft.form];
    // From the log-in some other page may come first; from anywhere else it means that the form has arrived.
    const isOnTheWay = /\/(login|security)\//.test(document.referrer);
    if (isTheirs && form && draft.address === address()) {
      if (restore(form, draft.values)) tell(form);
      forget();
    } else if (!isTheirs || !isOnTheWay) forget();
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "post" && typed(form)) keep(form);
  });
})();
