// A form of options. Each field that a reader sets is told by itself, as event "fill" with the form's key, the field's name
// and its value; a redraw changes only fields whose drawn value is another one, or all where it is another form.
const STEPS = 1000;
let drawn = new Map();   // what the server drew last, by field
let shown = null;        // the key of the form on show
const opened = new Set();

const form = () => element.querySelector("[data-form]");
const fields = () => [...element.querySelectorAll("[data-name]")];
const boxOf = (field) => field.querySelector("input[type=number], input[type=text]");
const sliderOf = (field) => field.querySelector("input[type=range]");

function toPlace({ low, high, log }, value) {
  const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.round(STEPS * Math.min(1, Math.max(0, share)));
}
function toValue({ low, high, step, log }, place) {
  const tidy = (value) => step === 1 ? Math.round(value)
    : step ? Number((Math.round(value / step) * step).toPrecision(6)) : Number(value.toPrecision(2));
  const share = place / STEPS;
  if (!log) return tidy(low + share * (high - low));
  const value = low * (high / low) ** share;
  return tidy(step === 1 ? value : Number(value.toPrecision(1)));
}
function slide(field) {
  const slider = sliderOf(field), box = boxOf(field);
  const place = box.value === "" ? 0 : toPlace(JSON.parse(slider.dataset.scale), Number(box.value));
  slider.value = place;
  slider.style.setProperty("--range_progress", `${(100 * place) / STEPS}%`);
  slider.setAttribute("aria-valuetext", box.value);
}
function valueOf(field) {
  switch (field.dataset.control) {
    case "checkbox": return field.querySelector("input").checked;
    case "slider": case "number": { const { value } = boxOf(field); return value === "" ? null : Number(value); }
    case "dropdown": return JSON.parse(field.querySelector("select").value);
    case "names": return JSON.parse(field.querySelector("select").value) || field.querySelector("textarea").value;
    case "list": return [...field.querySelectorAll("input:checked")].map((box) => box.value);
    default: return boxOf(field).value;
  }
}
// What the HTML says, whatever was typed or ticked since.
function asDrawn(field) {
  switch (field.dataset.control) {
    case "checkbox": return field.querySelector("input").hasAttribute("checked");
    case "dropdown": return field.querySelector("option[selected]")?.value;
    case "names": return [field.querySelector("option[selected]")?.value, field.querySelector("textarea").textContent];
    case "list": return [...field.querySelectorAll("input[type=checkbox][checked]")].map((box) => box.value);
    default: return boxOf(field).getAttribute("value");
  }
}
function put(field, value) {
  switch (field.dataset.control) {
    case "checkbox": field.querySelector("input").checked = value; break;
    case "dropdown": if (value !== undefined) field.querySelector("select").value = value; break;
    case "names":
      if (value[0] !== undefined) field.querySelector("select").value = value[0];
      field.querySelector("textarea").value = value[1];
      break;
    case "list":
      for (const box of field.querySelectorAll("input[type=checkbox]")) box.checked = box.hasAttribute("checked");
      if (boxOf(field)) boxOf(field).value = "";
      break;
    default: boxOf(field).value = value;
  }
}
function fit(field) {
  if (field.dataset.control === "slider") slide(field);
  if (field.dataset.control === "names") field.querySelector("textarea").hidden = field.querySelector("select").value !== '""';
}
function chipOf(name, ticked) {
  const chip = document.createElement("label");
  chip.className = "wb-name-chip";
  const tick = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: ticked });
  chip.append(tick, Object.assign(document.createElement("span"), { textContent: name }));
  return chip;
}
const namesOf = (field) => [...field.querySelectorAll("input[type=checkbox]")].map((box) => box.value);
function addLayers(field) {
  if (field.dataset.control !== "list" || !boxOf(field)) return;
  const known = new Set(namesOf(field));
  field.querySelector(".wb-name-chips").append(...(props.layers || []).filter((name) => !known.has(name)).map((name) => chipOf(name, false)));
}
function draw() {
  const key = form()?.dataset.form ?? null;
  const another = key !== shown;
  const now = new Map();
  for (const field of fields()) {
    const value = asDrawn(field), text = JSON.stringify(value);
    now.set(field.dataset.name, text);
    if (another || drawn.get(field.dataset.name) !== text) put(field, value);
    addLayers(field);
    fit(field);
  }
  drawn = now;
  shown = key;
  for (const fold of element.querySelectorAll("details")) fold.open = opened.has(key);
}
function tell(field) {
  fit(field);
  const value = valueOf(field);
  if (field.dataset.control === "names" && value === "") {   // a text of one's own that is still to be written
    field.querySelector("textarea").focus();
    return;
  }
  trigger("fill", { key: form().dataset.form, name: field.dataset.name, value });
}
function addName(field) {
  const box = boxOf(field), name = box.value.trim();
  box.value = "";
  if (!name) return;
  const same = [...field.querySelectorAll("input[type=checkbox]")].find((one) => one.value === name);
  if (same) same.checked = true;
  else field.querySelector(".wb-name-chips").append(chipOf(name, true));
  tell(field);
}
element.addEventListener("input", (event) => {
  const field = event.target.closest("[data-name]");
  if (!field || event.target.type !== "range") return;
  boxOf(field).value = toValue(JSON.parse(event.target.dataset.scale), Number(event.target.value));
  slide(field);
});
element.addEventListener("change", (event) => {
  const field = event.target.closest("[data-name]");
  if (!field) return;
  if (field.dataset.control === "list" && event.target.type === "text") addName(field); else tell(field);
});
element.addEventListener("toggle", (event) => {
  if (!event.target.isConnected || !form()) return;
  if (event.target.open) opened.add(form().dataset.form); else opened.delete(form().dataset.form);
}, true);
watch(["value", "layers"], draw);
draw();
