// A number with its slider: both show props.value, and `input` is triggered once the reader lets go.
const box = element.querySelector('input[type="number"]');
const slider = element.querySelector('input[type="range"]');
const { low, high, step, log } = JSON.parse(element.querySelector("[data-scale]").dataset.scale);
const STEPS = 1000;

function toPlace(value) {
  const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.round(STEPS * Math.min(1, Math.max(0, share)));
}
function toValue(place) {
  const share = place / STEPS;
  if (!log) return tidy(low + share * (high - low));
  const value = low * (high / low) ** share;
  return tidy(step === 1 ? value : Number(value.toPrecision(1)));
}
function tidy(value) {
  if (step === 1) return Math.round(value);
  return step ? Number((Math.round(value / step) * step).toPrecision(6)) : Number(value.toPrecision(2));
}
function show(value) {
  box.value = value ?? "";
  const place = value === null || value === undefined || value === "" ? 0 : toPlace(Number(value));
  slider.value = place;
  slider.style.setProperty("--range_progress", `${(100 * place) / STEPS}%`);
  slider.setAttribute("aria-valuetext", String(value ?? ""));
}
function settle(value) {
  if (value === props.value) return;
  props.value = value;
  trigger("input");
}
slider.addEventListener("input", () => show(toValue(Number(slider.value))));
slider.addEventListener("change", () => settle(toValue(Number(slider.value))));
box.addEventListener("change", () => settle(box.value === "" ? null : Number(box.value)));
watch("value", () => { if (document.activeElement !== box) show(props.value); });
show(props.value);
