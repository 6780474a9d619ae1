// The Learn tab: print buttons, and a view that is opened anew begins at its top.
let fromTop = false;
element.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
  const button = event.target.closest("[data-action]");
  if (button && ["open", "back", "view"].includes(button.dataset.action)) fromTop = true;
});
watch("value", () => {
  if (!fromTop) return;
  fromTop = false;
  window.scrollTo({ top: 0 });
  const heading = element.querySelector("h1");
  if (heading) { heading.tabIndex = -1; heading.focus({ preventScroll: true }); }
});
