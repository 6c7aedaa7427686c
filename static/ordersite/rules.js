// The builder of automation rules: shows of each row what belongs to its choice, lets people pick values instead of
// typing them, and adds rows. The page works without it.
(() => {
  "use strict";
  const form = document.querySelector("form[data-catalogue]");
  if (!form) return;
  const catalogue = JSON.parse(form.dataset.catalogue);
  const part = (row, name) => row.querySelector(`[data-of="${name}"]`);
  const input = (row, name) => part(row, name).querySelector("input, select");

  // A field with known values is picked from; what is picked stands in the text input, separated by commas.
  const drawPicks = (row, field, shape) => {
    const box = part(row, "value");
    const text = input(row, "value");
    box.querySelector(".os-picks")?.remove();
    const isPicked = shape === "many" && field.choices.length > 0;
    text.hidden = isPicked;
    if (!isPicked) return;
    const picks = document.createElement("div");
    picks.className = "os-picks";
    const chosen = new Set(text.value.split(",").filter(Boolean));
    for (const [key, label] of field.choices) {
      const item = document.createElement("label");
      const check = document.createElement("input");
      check.type = "checkbox";
      check.value = key;
      check.checked = chosen.has(key) || chosen.has(label);
      item.append(check, label);
      picks.append(item);
    }
    picks.addEventListener("change", () => {
      text.value = [...picks.querySelectorAll(":checked")].map((one) => one.value).join(",");
    });
    text.after(picks);
  };

  const showCondition = (row) => {
    const field = catalogue.fields[input(row, "field").value];
    const operator = input(row, "operator");
    for (const name of ["operator", "value", "value_to", "block"]) part(row, name).hidden = !field;
    if (!field) return;
    const known = catalogue.operators[field.kind];
    for (const option of operator.options) option.hidden = option.disabled = !known.includes(option.value);
    if (!known.includes(operator.value)) operator.value = known[0];
    const shape = catalogue.forms[operator.value];
    part(row, "value").hidden = shape === "none";
    part(row, "value_to").hidden = shape !== "two";
    const hint = part(row, "value").querySelector(".os-help");
    hint.textContent = field.choices.length && shape === "many" ? "" : field.hint;
    hint.hidden = !hint.textContent;
    drawPicks(row, field, shape);
  };

  const showAction = (row) => {
    const chosen = input(row, "action").value;
    for (const own of row.querySelectorAll("[data-action]")) own.hidden = own.dataset.action !== chosen;
  };

  const show = (row) => ("condition" in row.dataset ? showCondition(row) : showAction(row));

  const start = (row) => {
    show(row);
    row.addEventListener("change", (event) => {
      const of = event.target.closest("[data-of]")?.dataset.of;
      if (of === "field") input(row, "value").value = input(row, "value_to").value = "";
      if (["field", "operator", "action"].includes(of)) show(row);
    });
    const drop = row.querySelector("[data-drop]");
    drop.hidden = false;
    drop.addEventListener("click", () => {
      input(row, "condition" in row.dataset ? "field" : "action").value = "";
      row.hidden = true;
    });
  };

  for (const rows of form.querySelectorAll("[data-rows]")) {
    const template = rows.querySelector("template");
    const total = rows.querySelector(`[name="${rows.dataset.rows}-TOTAL_FORMS"]`);
    const add = rows.querySelector("[data-add]");
    rows.querySelectorAll(".os-rule-row").forEach(start);
    add.hidden = false;
    add.addEventListener("click", () => {
      const holder = document.createElement("div");
      holder.innerHTML = template.innerHTML.replaceAll("__prefix__", total.value);
      const row = holder.firstElementChild;
      add.before(row);
      total.value = Number(total.value) + 1;
      start(row);
      row.querySelector("select").focus();
    });
  }

  const trigger = form.elements.trigger;
  const hours = form.querySelector('[data-of="hours"]');
  const showHours = () => { hours.hidden = !catalogue.schedules.includes(trigger.value); };
  trigger.addEventListener("change", showHours);
  showHours();
})();
