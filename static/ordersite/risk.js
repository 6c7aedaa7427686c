// Says in a sentence what the values of a risk strategy mean, while somebody types them.
(() => {
  const threshold = document.querySelector("[data-risk-words]");
  if (!threshold) return;
  const words = JSON.parse(threshold.dataset.riskWords);
  const form = threshold.form;
  const line = document.createElement("p");
  line.className = "os-sentence";
  line.setAttribute("role", "status");
  threshold.closest(".os-field").after(line);

  // In the largest unit that fits, as the server says it.
  const span = (seconds) => {
    const unit = [3600, 60, 1].find((one) => seconds % one === 0);
    const number = seconds / unit;
    return words.units[unit][number === 1 ? 0 : 1].replace("%(count)d", number);
  };
  const say = () => {
    const { window: length, unit, action, kind } = form.elements;
    const seconds = Number(length.value) * Number(unit.value);
    const count = Number(threshold.value);
    const known = Number.isInteger(seconds) && seconds > 0 && Number.isInteger(count) && count > 0;
    line.hidden = !known;
    if (!known) return;
    const values = { count, time: span(seconds), action: action ? action.selectedOptions[0].text : words.hit };
    const text = words.kinds[kind ? kind.value : threshold.dataset.riskKind];
    line.textContent = words.title + text.replace(/\{(\w+)\}/g, (_whole, name) => values[name]);
  };
  form.addEventListener("input", say);
  form.addEventListener("change", say);
  say();
})();
